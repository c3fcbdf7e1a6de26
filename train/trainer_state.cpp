#include "train/trainer_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "train/checkpoint_files.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kStateFile = "state.json";
constexpr const char *kFiles = "files", *kBestFiles = "best_files";
constexpr const char* kOwnSum = "crc32";

// Of the values in state.json, however they are ordered and spaced, without the sum itself.
uint32_t own_sum(nlohmann::json json) {
  json.erase(kOwnSum);
  return crc32_of(json.dump());
}

nlohmann::ordered_json to_json(const std::vector<FileSum>& sums) {
  nlohmann::ordered_json json;
  for (const FileSum& sum : sums) json[sum.name] = {{"bytes", sum.bytes}, {"crc32", sum.crc32}};
  return json;
}

std::vector<FileSum> parse_sums(const nlohmann::json& json) {
  std::vector<FileSum> sums;
  for (const auto& [name, sum] : json.items())
    sums.push_back({name, sum.at("bytes"), sum.at("crc32")});
  return sums;
}

void check_sums(const fs::path& checkpoint, const nlohmann::json& json) {
  if (json.at(kOwnSum).get<uint32_t>() != own_sum(json)) {
    throw UserError(
        fmt::format("{}: its values do not have its checksum", (checkpoint / kStateFile).string()));
  }
  const std::string damage = find_damage(checkpoint, parse_sums(json.at(kFiles)));
  if (!damage.empty()) throw UserError(damage);
}

SavedState parse(const nlohmann::json& json) {
  SavedState saved;
  auto& [state, identity, window, loss_sums, metrics_lines, best_files] = saved;
  json.at("step").get_to(state.step);
  json.at("epoch").get_to(state.epoch);
  json.at("batch").get_to(state.batch);
  json.at("evaluated_step").get_to(state.evaluated_step);
  json.at("best_step").get_to(state.best_step);
  // Versions before did not count these.
  state.evaluations_without_improvement = json.value("evaluations_without_improvement", int64_t{0});
  state.skipped_steps = json.value("skipped_steps", int64_t{0});
  if (!json.at("best").is_null()) state.best = json.at("best").get<double>();
  json.at("total_steps").get_to(identity.total_steps);
  json.at("precision").get_to(identity.precision);
  json.at("train").get_to(identity.train);
  json.at("validation").get_to(identity.validation);
  identity.base = json.value("base", uint32_t{0});  // versions before had no adapters
  identity.teacher = json.value("teacher", uint32_t{0});
  json.at("threads").get_to(identity.threads);
  identity.ranks = json.value("ranks", 1);  // versions before had one
  json.at("device").get_to(identity.device);
  if (json.contains(kBestFiles)) best_files = parse_sums(json.at(kBestFiles));
  if (!json.contains("log")) return saved;
  const auto& log = json.at("log");
  metrics_lines = log.at("lines").get<int64_t>();
  log.at("steps").get_to(window.steps);
  log.at("examples").get_to(window.examples);
  log.at("tokens").get_to(window.tokens);
  window.flops = log.value("flops", 0.0);  // versions before did not count them
  window.skipped = log.value("skipped", int64_t{0});
  window.skipped_in_a_row = log.value("skipped_in_a_row", int64_t{0});
  log.at("loss_sum").get_to(window.loss_sum);
  if (log.contains("loss_sums")) log.at("loss_sums").get_to(loss_sums);
  if (log.at("gradient_norm").is_null()) {  // it is not finite
    window.gradient_norm = std::numeric_limits<double>::quiet_NaN();
  } else {
    log.at("gradient_norm").get_to(window.gradient_norm);
  }
  log.at("seconds").get_to(window.seconds);
  return saved;
}

}  // namespace

void write_state(const fs::path& checkpoint, const SavedState& saved) {
  const auto& [state, identity, window, loss_sums, metrics_lines, best_files] = saved;
  nlohmann::ordered_json json{
      {"step", state.step},
      {"total_steps", identity.total_steps},
      {"epoch", state.epoch},
      {"batch", state.batch},
      {"evaluated_step", state.evaluated_step},
      {"best_step", state.best_step},
      {"evaluations_without_improvement", state.evaluations_without_improvement},
      {"skipped_steps", state.skipped_steps},
      {"precision", identity.precision},
      {"train", identity.train},
      {"validation", identity.validation},
      {"base", identity.base},
      {"teacher", identity.teacher},
      {"threads", identity.threads},
      {"ranks", identity.ranks},
      {"device", identity.device}};
  json["best"] = state.best ? nlohmann::ordered_json(*state.best) : nlohmann::ordered_json(nullptr);
  json["log"] = {{"lines", metrics_lines.value_or(0)},
                 {"steps", window.steps},
                 {"examples", window.examples},
                 {"tokens", window.tokens},
                 {"flops", window.flops},
                 {"skipped", window.skipped},
                 {"skipped_in_a_row", window.skipped_in_a_row},
                 {"loss_sum", window.loss_sum},
                 {"gradient_norm", window.gradient_norm},
                 {"seconds", window.seconds}};
  if (!loss_sums.empty()) json["log"]["loss_sums"] = loss_sums;
  json[kBestFiles] = to_json(best_files);
  json[kFiles] = to_json(sum_files(checkpoint));
  json[kOwnSum] = own_sum(json);
  write_file(checkpoint / kStateFile, json.dump(2) + "\n");
}

SavedState read_state(const fs::path& checkpoint) {
  const fs::path file = checkpoint / kStateFile;
  const auto json = parse_json(read_bytes(file), file.string());
  try {
    if (json.contains(kOwnSum) || json.contains(kFiles)) check_sums(checkpoint, json);
    return parse(json);
  } catch (const nlohmann::json::exception&) {
    throw UserError(file.string() + ": expected what lait-train writes, got something else");
  }
}

void check_same_run(const fs::path& checkpoint, const RunIdentity& then, const RunIdentity& now) {
  const auto refuse = [&](const std::string& what) {
    throw UserError(fmt::format(
        "{}: {}; resume with what the run was started with, or start over with --overwrite",
        (checkpoint / kStateFile).string(), what));
  };
  if (then.precision != now.precision) {
    refuse(fmt::format("the run is in {}, this would resume in {} (training.precision)",
                       then.precision, now.precision));
  }
  const char* const changed =
      "is not the data that the run was started with (other texts, labels, order or tokens)";
  if (then.train != now.train) refuse(std::string("data.train ") + changed);
  if (then.validation != now.validation) refuse(std::string("data.validation ") + changed);
  if (then.base != now.base) refuse("model.path has not the weights that the run was started with");
  if (then.teacher != now.teacher)
    refuse("training.distill.teacher is not the one that the run was started with");
  if (then.total_steps != now.total_steps) {
    refuse(fmt::format("the run has {} steps, config and data now give {}", then.total_steps,
                       now.total_steps));
  }
}

bool is_possible(const TrainerState& state, int64_t total_steps) {
  return state.step >= 0 && state.step <= total_steps && state.epoch >= 0 &&
         state.epoch <= state.step && state.batch >= 0;
}

std::string other_order_of_sums(const RunIdentity& then, const RunIdentity& now) {
  if (then.threads == now.threads && then.ranks == now.ranks && then.device == now.device)
    return "";
  const auto place = [](const RunIdentity& run) {
    const std::string ranks = run.ranks == 1 ? "" : fmt::format("{} ranks of ", run.ranks);
    return fmt::format("{} with {}{} threads", run.device, ranks, run.threads);
  };
  return fmt::format(
      "the run was started on {}, resuming on {}: sums have another order, so the result is not "
      "bit for bit that of an uninterrupted run",
      place(then), place(now));
}

ResumePoint find_resume_point(const std::vector<fs::path>& checkpoints,
                              const std::function<void(const std::string&)>& warn) {
  std::vector<std::string> damages;
  for (const fs::path& checkpoint : checkpoints) {
    try {
      ResumePoint point{checkpoint, read_state(checkpoint)};
      for (const std::string& damage : damages) {
        warn(fmt::format("{}; the checkpoint is damaged, resuming from {} instead", damage,
                         checkpoint.filename().string()));
      }
      return point;
    } catch (const UnreadableFile&) {
      throw;
    } catch (const UserError& error) {
      damages.push_back(error.what());
    }
  }
  throw UserError(fmt::format("{}; no whole checkpoint is left: start over with --overwrite",
                              fmt::join(damages, "; ")));
}

}  // namespace lait
