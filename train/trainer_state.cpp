#include "train/trainer_state.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"

namespace lait {
namespace {

SavedState parse(const std::filesystem::path& file) {
  SavedState saved;
  auto& [state, identity] = saved;
  try {
    const auto json = read_json(file);
    json.at("step").get_to(state.step);
    json.at("epoch").get_to(state.epoch);
    json.at("batch").get_to(state.batch);
    json.at("evaluated_step").get_to(state.evaluated_step);
    json.at("best_step").get_to(state.best_step);
    if (!json.at("best").is_null()) state.best = json.at("best").get<double>();
    json.at("total_steps").get_to(identity.total_steps);
    json.at("precision").get_to(identity.precision);
    json.at("train").get_to(identity.train);
    json.at("validation").get_to(identity.validation);
    json.at("threads").get_to(identity.threads);
    json.at("device").get_to(identity.device);
  } catch (const UserError& error) {  // not JSON, or no file
    throw UserError(std::string(error.what()) +
                    "; the checkpoint is damaged: start over with --overwrite");
  } catch (const nlohmann::json::exception&) {
    throw UserError(
        file.string() +
        ": expected what lait-train writes, got something else; start over with --overwrite");
  }
  return saved;
}

}  // namespace

void write_state(const std::filesystem::path& file, const TrainerState& state,
                 const RunIdentity& identity) {
  nlohmann::ordered_json json{{"step", state.step},
                              {"total_steps", identity.total_steps},
                              {"epoch", state.epoch},
                              {"batch", state.batch},
                              {"evaluated_step", state.evaluated_step},
                              {"best_step", state.best_step},
                              {"precision", identity.precision},
                              {"train", identity.train},
                              {"validation", identity.validation},
                              {"threads", identity.threads},
                              {"device", identity.device}};
  json["best"] = state.best ? nlohmann::ordered_json(*state.best) : nlohmann::ordered_json(nullptr);
  write_file(file, json.dump(2) + "\n");
}

SavedState read_state(const std::filesystem::path& file, const RunIdentity& now) {
  SavedState saved = parse(file);
  const RunIdentity& then = saved.identity;
  const auto refuse = [&](const std::string& what) {
    throw UserError(fmt::format(
        "{}: {}; resume with what the run was started with, or start over with --overwrite",
        file.string(), what));
  };
  if (then.precision != now.precision) {
    refuse(fmt::format("the run is in {}, this would resume in {} (training.precision)",
                       then.precision, now.precision));
  }
  const char* const changed =
      "is not the data that the run was started with (other texts, labels, order or tokens)";
  if (then.train != now.train) refuse(std::string("data.train ") + changed);
  if (then.validation != now.validation) refuse(std::string("data.validation ") + changed);
  if (then.total_steps != now.total_steps) {
    refuse(fmt::format("the run has {} steps, config and data now give {}", then.total_steps,
                       now.total_steps));
  }
  return saved;
}

}  // namespace lait
