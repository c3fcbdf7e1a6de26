// What Hugging Face's arguments (TrainingArguments, the run_*.py scripts, config.json) are called
// here, for messages about unknown keys.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace lait {

struct HfName {
  const char* name;
  const char* key;   // ours; "": there is none
  const char* note;  // what differs, or what takes its place; "" if nothing does
};
std::span<const HfName> hf_names();

// " (here it is KEY: NOTE)", " (there is none here: NOTE)", or "" for another name. `name` has no
// section.
std::string hf_name_hint(std::string_view name);

}  // namespace lait
