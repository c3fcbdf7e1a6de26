#include "train/bench_train_step.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

#include "eval/bench/bench.h"
#include "eval/table.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/terminal.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "lait/model/device.h"
#include "lait/model/head.h"
#include "lait/model/threads.h"
#include "train/load_model.h"
#include "train/peer_process.h"
#include "train/run_inputs.h"
#include "train/sampler.h"
#include "train/train_step.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using Batches = std::vector<std::vector<int64_t>>;

constexpr size_t kMinRepeats = 3;

// `count` whole batches of the first epoch, evenly spaced from the shortest to the longest.
Batches some_batches(const Dataset& dataset, const TrainingConfig& config, int64_t count) {
  Batches all = epoch_batches(dataset, config, /*epoch=*/0);
  const size_t most = std::ranges::max_element(all, {}, &std::vector<int64_t>::size)->size();
  if (config.batch_by == BatchBy::kExamples)
    std::erase_if(all, [&](const auto& batch) { return batch.size() < most; });
  const auto tokens = [&](const std::vector<int64_t>& batch) {
    int64_t sum = 0;
    for (const int64_t i : batch) sum += dataset.example_length(i);
    return sum;
  };
  std::ranges::stable_sort(all, {}, tokens);
  count = std::min<int64_t>(count, std::ssize(all));
  Batches out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(all[static_cast<size_t>((2 * i + 1) * std::ssize(all) / (2 * count))]);
  return out;
}

double num_examples(const Batches& batches) {
  size_t sum = 0;
  for (const auto& batch : batches) sum += batch.size();
  return static_cast<double>(sum);
}

// Steps of our model on its own batches.
class Steps {
 public:
  Steps(const RunInputs& in, Model model, TrainStep& step, ShareSegments share, int64_t count)
      : in_(in), model_(model), step_(step), config_(in.config.training) {
    config_.share_segments = share;
    batches_ = some_batches(*in.train.dataset, config_, count);
  }
  void operator()() const {
    for (const auto& batch : batches_) {
      std::vector<DeviceBatch> micro_batches;
      micro_batches.push_back(
          model_->to_batch(*in_.train.dataset, batch, in_.spec.schedule, batch_options(config_)));
      step_.run(micro_batches, /*step=*/0).item<float>();  // waits for the device
    }
  }
  const Batches& batches() const { return batches_; }

 private:
  const RunInputs& in_;
  mutable Model model_;
  TrainStep& step_;
  TrainingConfig config_;
  Batches batches_;
};

// A folder that exists as long as this.
struct PeerFolder {
  PeerFolder() { fs::create_directories(path); }
  ~PeerFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  PeerFolder(const PeerFolder&) = delete;
  PeerFolder& operator=(const PeerFolder&) = delete;
  const fs::path path = fs::temp_directory_path() / fmt::format("lait_bench_{}", ::getpid());
};

// transformers' stock model on the same tokens, in the pair format.
class Peer {
 public:
  Peer(const std::string& python, const RunInputs& in, bool bf16, const Batches& batches) {
    const auto head =
        find_head(in.spec.head)
            .make(in.hf_config, {.pooling = in.spec.pooling, .labels = in.spec.labels});
    nlohmann::json json{{"threads", at::get_num_threads()},
                        {"bf16", bf16},
                        {"num_labels", std::max<size_t>(1, in.spec.labels.size())},
                        {"learning_rate", in.config.training.learning_rate},
                        {"batches", nlohmann::json::array()}};
    const Dataset& dataset = *in.train.dataset;
    for (const auto& batch : batches) {
      nlohmann::json& examples = json["batches"].emplace_back(nlohmann::json::array());
      for (const int64_t i : batch) {
        const TokenizedExample example = dataset.example(i);
        const int32_t pair = example.sequences[0];
        const auto tokens = dataset.tokens(pair);
        examples.push_back({std::vector(tokens.begin(), tokens.end()),
                            dataset.first_segment_length(pair), head->label_value(example.label)});
      }
    }
    const fs::path script = folder_.path / "train_step_peer.py",
                   file = folder_.path / "batches.json";
    write_file(file, json.dump());
    write_file(script, kTrainStepPeer);
    process_.emplace(
        std::vector<std::string>{python, script.string(), in.model_dir.string(), file.string()});
    process_->read_line();
  }

  void operator()() {
    process_->write_line("step");
    process_->read_line();
  }

 private:
  PeerFolder folder_;
  std::optional<PeerProcess> process_{};  // ends before the folder goes
};

Config at(Config config, int64_t independent_layers) {
  config.model.schedule.clear();
  config.model.independent_layers = independent_layers;
  config.data.validation.clear();
  config.data.test.clear();
  config.training.early_stopping = {};
  return config;
}

// The measured models of one P, by name; the first is what we offer.
struct Measured {
  std::vector<std::string> names{};
  std::vector<double> examples_per_s{};
  std::vector<Timing> timings{};
};

Measured measure_at(const TrainStepBench& bench, const Config& config) {
  const RunInputs in = read_inputs(config);
  const at::Device device = resolve_device(config.training.device);
  const at::ScalarType dtype = resolve_precision(config.training.precision, device);
  Model model = load_model(in, dtype);
  model->move_to(device);
  TrainStep step(model, in.config.training, /*total_steps=*/1000);
  Measured out;
  std::vector<std::function<void()>> runs;
  std::vector<double> examples;
  // At P = 0 in the pair format nothing is shared, so that these are the same batches.
  const Steps shared(in, model, step, ShareSegments::kAuto, bench.steps),
      unshared(in, model, step, ShareSegments::kOff, bench.steps);
  const auto add = [&](const std::string& name, std::function<void()> run, double count) {
    out.names.push_back(name);
    runs.push_back(std::move(run));
    examples.push_back(count);
  };
  add(
      "lait", [&] { shared(); }, num_examples(shared.batches()));
  if (bench.unshared)
    add(
        "lait_unshared", [&] { unshared(); }, num_examples(unshared.batches()));
  std::unique_ptr<Peer> peer;
  if (!bench.python.empty() && !device.is_cpu())
    throw UserError("--python: transformers is measured on the CPU; set training.device: cpu");
  if (!bench.python.empty() && in.spec.format == SegmentFormat::kPair) {
    peer = std::make_unique<Peer>(bench.python, in, dtype == at::kBFloat16, unshared.batches());
    add(
        "transformers", [&] { (*peer)(); }, num_examples(unshared.batches()));
  }
  out.timings = measure_in_turn(runs, bench.max_milliseconds, kMinRepeats);
  for (size_t i = 0; i < runs.size(); ++i)
    out.examples_per_s.push_back(examples[i] * 1000 / out.timings[i].median);
  return out;
}

}  // namespace

int bench_train_step(const TrainStepBench& bench) {
  // A peer that ended is named, whatever it was asked last.
  std::signal(SIGPIPE, SIG_IGN);
  const Config config = read_config(find_config(bench.config), bench.overrides, task_names());
  set_threads(config.training.threads.count);
  const int64_t layers = read_hf_config(find_model(config.model.path)).num_hidden_layers;
  std::vector<int64_t> independent_layers = bench.independent_layers;
  if (independent_layers.empty()) {
    for (int64_t p = 0; p <= layers; ++p) independent_layers.push_back(p);
  }
  nlohmann::json head = bench_head(at::get_num_threads()), rows = nlohmann::json::array();
  head["config"] = bench.config;
  fmt::print("{}, {} threads, {}; {}, {}, batches of {}\n", head["cpu"].get<std::string>(),
             at::get_num_threads(), head["version"].get<std::string>(), bench.config,
             config.model.path, config.training.batch_size);
  Table table{.header = {"P", "lait examples/s"}, .rows = {}};
  if (bench.unshared) {
    table.header.emplace_back("unshared");
    table.header.emplace_back("sharing is … times faster");
  }
  if (!bench.python.empty()) table.header.emplace_back("transformers");
  for (const int64_t p : independent_layers) {
    const Measured measured = measure_at(bench, at(config, p));
    std::vector<std::string>& cells = table.rows.emplace_back();
    cells.push_back(std::to_string(p));
    for (size_t i = 0; i < measured.names.size(); ++i) {
      nlohmann::json row = bench_row("train-step", "P = " + std::to_string(p), measured.names[i],
                                     measured.timings[i]);
      row["independent_layers"] = p;
      row["examples_per_s"] = measured.examples_per_s[i];
      cells.push_back(fmt::format("{:.1f}", measured.examples_per_s[i]));
      // By examples, since batches of the two orders may differ in number.
      if (measured.names[i] == "lait_unshared") {
        const double ratio = measured.examples_per_s[0] / measured.examples_per_s[i];
        row["ratio_to"] = {{"lait", ratio}};
        cells.push_back(fmt::format("{:.2f}", ratio));
      }
      rows.push_back(std::move(row));
    }
    cells.resize(table.header.size());
    show(fmt::format("lait-bench: P = {} measured\n", p));
  }
  fmt::print("{}", format_plain(table));
  write_bench(bench.json, head, rows);
  return 0;
}

}  // namespace lait
