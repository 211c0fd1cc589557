/* nawi synth: model files of true width with random weights, to measure with. */
#include "app/cli/commands.h"
#include "app/cli/terminal.h"
#include "engine/file/synth.h"

#include <string.h>

static void on_progress(int64_t done, int64_t total, void *user)
{
    terminal_progress("writing", done, total, user);
}

static int run(const struct options *options, struct terminal *terminal)
{
    GError *error = NULL;
    struct nawi_synth_params params = {
        .path = g_ptr_array_index(options->arguments, 0),
        .shape = options->shape,
        .n_layer = (int)MAX(options->n_layer, 0),
        .type = options->type ? options->type : "Q4_K",
        .seed = (uint64_t)MAX(options->seed, 0),
        .cancel = terminal->cancel,
        .progress = on_progress,
        .user = terminal,
    };
    if (!params.shape) {
        terminal_say(terminal, "synth needs --shape: scout, maverick, behemoth, mini-scout, tower");
        return EXIT_USAGE;
    }
    bool done = nawi_synth(&params, &error);
    terminal_clear(terminal);
    if (done)
        return EXIT_DONE;
    bool is_usage = g_error_matches(error, NAWI_ERROR, NAWI_ERROR_INPUT);
    int code = terminal_fail(terminal, error);
    return is_usage ? EXIT_USAGE : code;
}

const struct command command_synth = {
    .name = "synth",
    .arguments = "OUT.gguf",
    .summary = "Write a model file of true width with random weights.",
    .examples = "  nawi synth small.gguf --shape scout --layers 2 --type Q4_K\n"
                "  nawi synth tower.gguf --shape tower --type Q8_0\n",
    .details =
        "The file answers nothing sensible: it serves to measure speed and memory. Equal options "
        "give equal files. The type is that of the matrices, Q4_K by default; a matrix whose "
        "rows it does not fit becomes Q8_0 or F16.",
    .groups = OPTIONS_SYNTH,
    .least = 1,
    .most = 1,
    .run = run,
};
