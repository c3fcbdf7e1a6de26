#include "lait/model/hf_code.h"

#include <nlohmann/json.hpp>

#include "lait/config/enum_names.h"

namespace lait {

using Json = nlohmann::ordered_json;

Json hf_code_fields(const ModelSpec& spec) {
  Json schedule = Json::array();
  for (const Stage& stage : spec.schedule) {
    schedule.push_back({{"num_layers", stage.num_layers},
                        {"scope", to_string(stage.scope)},
                        {"updates", to_string(stage.updates)}});
  }
  return {
      {"auto_map",
       {{"AutoConfig", "modeling_lait.LaitConfig"},
        {"AutoModelForSequenceClassification", std::string("modeling_lait.") + kLaitArchitecture}}},
      {kHfSettings,
       {{"schedule", schedule},
        {"segment_format", to_string(spec.format)},
        {"head", to_string(spec.head)},
        {"pooling", to_string(spec.pooling)},
        {"max_segment_tokens", spec.max_segment_tokens},
        {"on_overflow", to_string(spec.on_overflow)}}}};
}

}  // namespace lait
