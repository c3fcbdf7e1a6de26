// lait.yaml: what a checkpoint says beside weights and tokenizer.
#include <yaml-cpp/yaml.h>

#include "lait/config/enums.h"
#include "lait/error.h"
#include "lait/files.h"
#include "lait/model/model.h"

namespace lait {
