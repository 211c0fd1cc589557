/* Where Cria lies, the model that comes with Nawi. */
#pragma once

#include "engine/error.h"

/* Looks in the folder that the environment's NAWI_DATA_DIR names (and there alone, where it is
 * set), then in the installed data folder, found from the program's own place, then in the
 * folder `data` of the source tree that the program was built in. *mmproj gets the tower. Both
 * are freed by the caller. IO when it is nowhere: the message says where was looked. Any thread. */
bool cria_find(char **model, char **mmproj, GError **error);
