#include "train/bench_model.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>

#include "eval/bench/bench.h"
#include "eval/decoder_flops.h"
#include "eval/flops.h"
#include "eval/table.h"
#include "lait/base/error.h"
#include "lait/base/terminal.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "lait/model/device.h"
#include "lait/model/threads.h"
#include "lait/predict/sequence_values.h"
#include "train/batch_parts.h"
#include "train/bench_store.h"
#include "train/estimate.h"
#include "train/gemm_rate.h"
#include "train/load_model.h"
#include "train/peak_rss.h"
#include "train/run_inputs.h"
#include "train/sampler.h"
#include "train/step_batches.h"
#include "train/stock_model.h"
#include "train/train_step.h"

namespace lait {
namespace {

using Batches = std::vector<std::vector<int64_t>>;

constexpr size_t kMinRepeats = 3;

// `count` whole batches of the first epoch, evenly spaced from the shortest to the longest.
Batches some_batches(const Dataset& dataset, const TrainingConfig& config, int64_t count) {
  Batches all = epoch_batches(dataset, config, /*epoch=*/0);
  const size_t most = std::ranges::max_element(all, {}, &std::vector<int64_t>::size)->size();
  if (config.batch_by == BatchBy::kExamples)
    std::erase_if(all, [&](const auto& batch) { return batch.size() < most; });
  std::ranges::stable_sort(all, {}, [&](const auto& batch) { return tokens_of(dataset, batch); });
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

// Our model on its own batches.
class Runs {
 public:
  // `step`: null for predictions.
  // `values`: of what is frozen; null: all is computed.
  Runs(const RunInputs& in, Model model, TrainStep* step, ShareSegments share, int64_t count,
       SequenceValues* values = nullptr)
      : in_(in), model_(model), step_(step), values_(values), config_(in.config.training) {
    config_.share_segments = share;
    batches_ = some_batches(*in.train.dataset, config_, count);
  }
  void operator()() const {
    for (const auto& batch : batches_) step_ != nullptr ? train(batch) : predict(batch);
  }
  const Batches& batches() const { return batches_; }

  // What forward keeps for backward on the largest batch, as estimated.
  int64_t activation_bytes() const {
    return estimate_memory(model_, *in_.train.dataset, batches_, config_).activations;
  }

  // As training_costs counts them, without what sharing saves.
  double flops() const {
    const Dataset& dataset = *in_.train.dataset;
    const PackPlan plan = model_->pack_plan(in_.spec.schedule);
    const ExampleCosts training = training_costs(model_, dataset, in_.spec.schedule);
    const LayerCosts costs = in_.hf_config.family->costs(in_.hf_config).layer;
    double sum = 0;
    for (const auto& batch : batches_) {
      for (const int64_t i : batch) {
        sum += step_ != nullptr
                   ? training.flops(i)
                   : execution_flops(dataset, i, plan, costs, Execution::kLait).encoder +
                         decoder_flops(model_, dataset, i, /*labels_only=*/false).total();
      }
    }
    return sum;
  }

 private:
  // Both wait for the device.
  void train(const std::vector<int64_t>& batch) const {
    std::vector<DeviceBatch> micro_batches;
    const BatchOptions options = batch_options(config_);
    const Dataset& data = *in_.train.dataset;
    micro_batches.push_back(values_ != nullptr
                                ? values_->whole_batch(data, batch, in_.spec.schedule, options)
                                : model_->to_batch(data, batch, in_.spec.schedule, options));
    step_->run(micro_batches, /*step=*/0).item<float>();
  }
  void predict(const std::vector<int64_t>& batch) const {
    const at::NoGradGuard no_grad;
    BatchOptions options = batch_options(config_);
    options.labels = false;
    model_->forward(model_->to_batch(*in_.train.dataset, batch, in_.spec.schedule, options), {})
        .values.sum()
        .item<float>();
  }

  const RunInputs& in_;
  mutable Model model_;
  TrainStep* step_;
  SequenceValues* values_;
  TrainingConfig config_;
  Batches batches_;
};

Config at(Config config, int64_t independent_layers, bool freezes) {
  if (freezes) config.training.freeze = {"embeddings", "independent"};
  config.model.schedule.clear();
  config.model.independent_layers = independent_layers;
  config.training.elastic_independent_layers.clear();
  config.training.distill = {};
  config.data.validation.clear();
  config.data.test.clear();
  config.training.early_stopping = {};
  config.cache = {};
  return config;
}

// A model that is measured.
struct Measured {
  std::string name;
  std::function<void()> run;
  double examples = 0;
  Timing timing = {};
  // The largest peak of the process's memory in a run.
  int64_t peak_bytes = 0;
  // What forward keeps for backward, on the largest batch; 0: not known.
  int64_t activation_bytes = 0;
  // Of the rate of this machine's matrix products; 0: not known.
  double gemm_share = 0;
  std::string note = {};

  double examples_per_s() const { return examples * 1000 / timing.median; }
};

// The first is what we offer.
std::vector<Measured> measure_at(const ModelBench& bench, const Config& config) {
  const RunInputs in = read_inputs(config);
  const at::Device device = resolve_device(config.training.device);
  const at::ScalarType dtype = resolve_precision(config.training.precision, device);
  Model model = load_model(in, dtype);
  model->move_to(device);
  model->head->use_tokenizer(*in.tokenizer);
  if (bench.predicts) model->keep_blocked();
  std::optional<TrainStep> step;
  if (!bench.predicts) step.emplace(model, in.config.training, /*total_steps=*/1000);
  TrainStep* const trains = step ? &*step : nullptr;
  // At P = 0 in the pair format nothing is shared, so that these are the same batches.
  const Runs shared(in, model, trains, ShareSegments::kAuto, bench.steps),
      unshared(in, model, trains, ShareSegments::kOff, bench.steps);
  std::vector<Measured> out;
  const auto add_ours = [&](const std::string& name, const Runs& runs) {
    out.push_back(
        {.name = name, .run = [&runs] { runs(); }, .examples = num_examples(runs.batches())});
    if (trains != nullptr) out.back().activation_bytes = runs.activation_bytes();
  };
  add_ours("lait", shared);
  if (bench.unshared) add_ours("lait_unshared", unshared);
  std::optional<BenchStore> store;
  std::optional<Runs> stored;
  if (bench.from_store) {
    store.emplace(in, model);
    stored.emplace(in, model, trains, ShareSegments::kAuto, bench.steps, &store->values());
    (*stored)();  // computes what is found from then on
    store->values().commit();
    add_ours("lait_from_store", *stored);
  }
  std::unique_ptr<StockModel> peer;
  if (!bench.python.empty() && !device.is_cpu())
    throw UserError("--python: transformers is measured on the CPU; set training.device: cpu");
  if (!bench.python.empty() && in.spec.format == SegmentFormat::kPair) {
    peer = std::make_unique<StockModel>(bench.python, in, bench.predicts, unshared.batches());
    if (peer->problem().empty()) {
      out.push_back({.name = "transformers",
                     .run = [&] { peer->run(); },
                     .examples = num_examples(unshared.batches()),
                     .activation_bytes = peer->saved_bytes(),
                     .note = peer->variant()});
    } else {
      show("lait-bench: transformers: " + peer->problem() + "\n");
    }
  }
  std::vector<std::function<void()>> runs;
  for (Measured& model : out) {
    runs.push_back([&model, &peer] {
      reset_peak_rss();
      model.run();
      const int64_t peak =
          model.name == "transformers" ? peer->peak_bytes() : peak_rss_bytes().value_or(0);
      model.peak_bytes = std::max(model.peak_bytes, peak);
    });
  }
  const std::vector<Timing> timings = measure_in_turn(runs, bench.max_milliseconds, kMinRepeats);
  for (size_t i = 0; i < out.size(); ++i) out[i].timing = timings[i];
  if (in.config.training.share_segments == ShareSegments::kOff || !bench.unshared)
    out[0].gemm_share = shared.flops() / (out[0].timing.median / 1000) / gemm_rate(model);
  return out;
}

std::string mega(int64_t bytes) {
  return bytes == 0 ? "" : fmt::format("{:.0f}", static_cast<double>(bytes) / 1e6);
}

}  // namespace

int bench_model(const ModelBench& bench) {
  // A peer that ended is named, whatever it was asked last.
  std::signal(SIGPIPE, SIG_IGN);
  const char* const name = bench.predicts ? "predict" : "train-step";
  const Config config = read_config(find_config(bench.config), bench.overrides, task_names());
  set_threads(config.training.threads.count);
  const int64_t layers = read_hf_config(find_model(config.model.path)).num_hidden_layers;
  std::vector<int64_t> independent_layers = bench.independent_layers;
  if (independent_layers.empty()) {
    for (int64_t p = bench.from_store ? 1 : 0; p <= layers; ++p) independent_layers.push_back(p);
  }
  nlohmann::json head = bench_head(at::get_num_threads()), rows = nlohmann::json::array();
  head["config"] = bench.config;
  fmt::print("{}, {} threads, {}; {}, {}, batches of {}\n", head["cpu"].get<std::string>(),
             at::get_num_threads(), head["version"].get<std::string>(), bench.config,
             config.model.path, config.training.batch_size);
  Table table{.header = {"P", "", "examples/s", "times lait's time", "of the GEMM rate",
                         "activations MB", "peak MB"},
              .rows = {},
              .num_text_columns = 2};
  for (const int64_t p : independent_layers) {
    const std::vector<Measured> measured = measure_at(bench, at(config, p, bench.from_store));
    for (const Measured& model : measured) {
      // By examples, since batches of the two orders may differ in number.
      const double ratio = measured[0].examples_per_s() / model.examples_per_s();
      nlohmann::json row = bench_row(name, "P = " + std::to_string(p), model.name, model.timing);
      row["independent_layers"] = p;
      row["examples_per_s"] = model.examples_per_s();
      row["ratio_to"] = {{"lait", ratio}};
      row["peak_bytes"] = model.peak_bytes;
      if (model.activation_bytes > 0) row["activation_bytes"] = model.activation_bytes;
      if (model.gemm_share > 0) row["gemm_share"] = model.gemm_share;
      if (!model.note.empty()) row["variant"] = model.note;
      table.rows.push_back(
          {std::to_string(p), model.name + (model.note.empty() ? "" : " (" + model.note + ")"),
           fmt::format("{:.3g}", model.examples_per_s()), fmt::format("{:.2f}", ratio),
           model.gemm_share > 0 ? fmt::format("{:.2f}", model.gemm_share) : "",
           mega(model.activation_bytes), mega(model.peak_bytes)});
      rows.push_back(std::move(row));
    }
    show(fmt::format("lait-bench: P = {} measured\n", p));
  }
  fmt::print("{}", format_plain(table));
  write_bench(bench.json, head, rows);
  return 0;
}

}  // namespace lait
