/* nawi: finds the command, reads its options, runs it. */
#include "app/cli/commands.h"
#include "app/cli/options.h"
#include "app/cli/terminal.h"
#include "vision/vision.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

/* In the order in which the help lists them. */
static const struct command *const commands[] = {
    &command_caption, &command_ask,    &command_chat, &command_look,  &command_inspect,
    &command_tokens,  &command_prompt, &command_eval, &command_synth, &command_bench,
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void print_overview(FILE *to)
{
    fputs("Nawi tells what is on a picture, on this computer alone.\n\n"
          "  nawi caption dog.png\n"
          "  nawi ask dog.png \"What is on the left?\"\n"
          "  nawi chat --model scout.gguf dog.png\n\n"
          "usage: nawi COMMAND [OPTION…] [ARGUMENT…]\n\ncommands:\n",
          to);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        fprintf(to, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\n`nawi help COMMAND` tells more, `man nawi` all; `nawi --version` says which this is.\n"
        "Nawi ends with 0: done, 1: failed, 2: wrong usage, 3: some files failed, 130: stopped.\n",
        to);
}

static int refuse_command(struct terminal *terminal, const char *name)
{
    const char *names[G_N_ELEMENTS(commands)];
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        names[i] = commands[i]->name;
    const char *near = options_nearest(name, names, G_N_ELEMENTS(names));
    char *shown = nawi_quote(name, strlen(name));
    if (near)
        terminal_say(terminal, "no command %s; did you mean %s?", shown, near);
    else if (g_file_test(name, G_FILE_TEST_IS_REGULAR))
        terminal_say(terminal, "no command %s; to caption a picture: nawi caption %s", shown,
                     shown);
    else
        terminal_say(terminal, "no command %s; `nawi help` lists them", shown);
    g_free(shown);
    return EXIT_USAGE;
}

/* nawi help [COMMAND] */
static int help(struct terminal *terminal, const char *name)
{
    const struct command *command = name ? find(name) : NULL;
    if (name && !command)
        return refuse_command(terminal, name);
    if (command)
        options_print_help(command, stdout);
    else
        print_overview(stdout);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run(struct terminal *terminal, const struct command *command, int argc, char **argv)
{
    struct options options;
    GError *error = NULL;
    int code;
    if (!options_read(command, argc, argv, &options, &error)) {
        terminal_say(terminal, "%s", error->message);
        terminal_note(terminal, "usage: nawi ");
        terminal_note(terminal, command->name);
        terminal_note(terminal, " [OPTION…] ");
        terminal_note(terminal, command->arguments);
        terminal_note(terminal, "; `nawi help ");
        terminal_note(terminal, command->name);
        terminal_note(terminal, "` tells more\n");
        g_error_free(error);
        code = EXIT_USAGE;
    } else if (options.help) {
        code = help(terminal, command->name);
    } else {
        code = command->run(&options, terminal);
    }
    options_finish(&options);
    return code;
}

int main(int argc, char **argv)
{
    struct terminal terminal;
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* numbers are written alike everywhere */
    terminal_init(&terminal);

    const char *name = argc > 1 ? argv[1] : NULL;
    int code;
    if (!name) {
        print_overview(stderr);
        code = EXIT_USAGE;
    } else if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
               strcmp(name, "-h") == 0) {
        code = help(&terminal, argc > 2 ? argv[2] : NULL);
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        code = terminal_print(&terminal, "nawi %s\n", NAWI_VERSION) ? EXIT_DONE : EXIT_FAILED;
    } else {
        const struct command *command = find(name);
        code = command ? run(&terminal, command, argc, argv) : refuse_command(&terminal, name);
    }
    terminal_clear(&terminal);
    nawi_vision_finish();
    return code;
}
