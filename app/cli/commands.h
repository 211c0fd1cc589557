/* The commands of the program, one file each. */
#pragma once

#include "app/cli/options.h"

extern const struct command command_ask, command_bench, command_caption, command_chat, command_eval,
    command_inspect, command_look, command_prompt, command_synth, command_tokens;
