#ifndef ROLLOUT_CYAML_SHIM_H
#define ROLLOUT_CYAML_SHIM_H
#include <yaml.h>
#endif
