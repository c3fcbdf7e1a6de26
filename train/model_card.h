// README.md of best/: the model card that Hugging Face's hub shows, and what it reads of it.
//
// It is written at the end of a run, when the scores are known. state.json does not list it, so a
// run that resumes does not miss it. It has no times and no folders: the same run gives the same
// card.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "lait/model/model.h"
#include "train/run_inputs.h"

namespace lait {

// The pretrained model's name: the last part of its path, for people to read.
std::string base_name(const Config& config);

// `report`: report.json with the scores. `best`: the folder of the saved model.
std::string model_card(const RunInputs& in, Model& model, const nlohmann::ordered_json& report,
                       const std::filesystem::path& best);

}  // namespace lait
