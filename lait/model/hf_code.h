// modeling_lait.py: the code with which transformers runs a checkpoint that none of its own classes
// computes (another P, format or pooling). lait-train writes it beside the model if
// output.hf_code is set; the build puts the file's text into the library.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "lait/model/spec.h"

namespace lait {

// config.json's "model_type" of such a checkpoint. AutoConfig does not know it, so transformers
// refuses the model by name instead of running another one. The family's own type is beside it.
inline constexpr const char* kLaitModelType = "lait";
inline constexpr const char* kBaseModelType = "base_model_type";
// Its "architectures": the class of modeling_lait.py.
inline constexpr const char* kLaitArchitecture = "LaitForSequenceClassification";
inline constexpr const char* kHfCodeFile = "modeling_lait.py";
// config.json's key of the settings of lait.yaml that the code reads.
inline constexpr const char* kHfSettings = "lait";

// The text of the file.
extern const std::string_view kHfCode;

// What config.json needs for the code: "auto_map" and the settings.
nlohmann::ordered_json hf_code_fields(const ModelSpec& spec);

}  // namespace lait
