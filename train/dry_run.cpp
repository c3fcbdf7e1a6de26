// Prints what a run would cost. Writes nothing.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>

#include "eval/decoder_flops.h"
#include "eval/flops.h"
#include "lait/config/write.h"
#include "lait/model/checkpoint.h"
#include "lait/model/device.h"
#include "lait/model/threads.h"
#include "train/estimate.h"
#include "train/load_model.h"
#include "train/peak_rss.h"
#include "train/progress.h"
#include "train/run.h"
#include "train/run_inputs.h"
#include "train/update_rule.h"

namespace lait {
namespace {

// Bytes that the kernel could provide without swapping. nullopt: unknown.
std::optional<int64_t> available_bytes() {
  std::ifstream info("/proc/meminfo");
  for (std::string name, rest; info >> name; std::getline(info, rest)) {
    int64_t kilobytes = 0;
    if (name == "MemAvailable:" && info >> kilobytes) return kilobytes * 1024;
  }
  return std::nullopt;
}

RunCost print_cost(const RunInputs& in, Model model, at::Device device) {
  const auto mega = [](int64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  // A GPU's is not known here.
  const int64_t everything = std::numeric_limits<int64_t>::max(),
                available = device.is_cpu() ? available_bytes().value_or(everything) : everything;
  model->move_to(device);
  const MemoryEstimate memory = estimate_memory(model, *in.train.dataset, in.config.training);
  const std::string parts = fmt::format(
      "weights {:.0f}, {} {:.0f}{}, backward {:.0f} (gradients {:.0f}, activations {:.0f} of "
      "the "
      "largest batch, {} rows)",
      mega(memory.weights), make_update_rule(in.config.training)->name(), mega(memory.optimizer),
      in.config.training.shard_optimizer == Switch::kOn ? " (dealt out to the ranks)" : "",
      mega(memory.backward), mega(memory.gradients), mega(memory.activations),
      memory.largest_batch_rows);
  // The weights are already loaded.
  if (available < memory.total() - memory.weights) {
    fmt::print(
        "# memory: {:.0f} MB besides program and data: {}\n"
        "#   this machine has {:.0f} MB left: lower training.batch_size (and raise "
        "training.accumulation); the time is not measured\n",
        mega(memory.total()), parts, mega(available));
    return {.memory = memory.total(), .seconds = std::nullopt};
  }
  std::fflush(stdout);  // the time takes a few steps to measure
  const TimeEstimate time = measure_time(model, in);
  // A run loads its best model beside the last one, to evaluate the test data.
  if (in.test.dataset) {
    load_pretrained(in.model_dir, in.spec, in.config.model, model->compute_dtype,
                    in.config.training.seed);
  }
  const std::optional<int64_t> peak = device.is_cpu() ? peak_rss_bytes() : std::nullopt;
  fmt::print("# memory: {:.0f} MB {}: {}\n", mega(peak.value_or(memory.total())),
             peak              ? "at the peak, measured; tensors"
             : device.is_cpu() ? "besides program and data"
                               : "of the device",
             parts);
  fmt::print(
      "# time: {} = {} for {} steps + {} for evaluation; measured on {} steps, {:.3g} s each{}, {} "
      "threads\n",
      format_duration(time.total()), format_duration(time.training_seconds), time.steps,
      format_duration(time.evaluation_seconds), time.measured_steps, time.seconds_per_step,
      in.config.cache.dir.empty() ? ""
                                  : fmt::format(" ({:.3g} s after the first epoch, from the store)",
                                                time.stored_seconds_per_step),
      at::get_num_threads());
  return {.memory = peak.value_or(memory.total()), .seconds = time.total()};
}

}  // namespace

RunCost dry_run(const Config& config) {
  reset_peak_rss();
  set_threads(config.training.threads.count);
  const at::Device device = resolve_device(config.training.device);
  const at::ScalarType dtype = resolve_precision(config.training.precision, device);
  const RunInputs in = read_inputs(config);
  Model model = load_model(in, dtype);
  int64_t parameters = 0, trained = 0;
  for (const at::Tensor& parameter : model->parameters()) {
    parameters += parameter.numel();
    if (parameter.requires_grad()) trained += parameter.numel();
  }
  fmt::print("{}\n", write_config(in.config));
  const std::string of_them = trained < parameters ? fmt::format(", {:.1f} M of them trained",
                                                                 static_cast<double>(trained) / 1e6)
                                                   : "";
  fmt::print("# model: {} layers, width {}, {:.1f} M parameters{}; {}\n",
             in.hf_config.num_hidden_layers, in.hf_config.hidden_size,
             static_cast<double>(parameters) / 1e6, of_them, describe(in.spec.schedule));
  if (in.distilled) {
    fmt::print("# {}; what the teacher takes is not in the time\n",
               describe(*in.distilled, in.config.training.distill));
  }
  if (!in.spec.labels.empty()) fmt::print("# labels: {}\n", train_labels(in));
  for (const auto& [name, split] : splits(in)) {
    const Dataset& data = *split->dataset;
    std::vector<int64_t> lengths;
    int64_t total = 0;
    for (int64_t i = 0; i < data.size(); ++i) {
      lengths.push_back(data.example_length(i));
      total += lengths.back();
    }
    std::ranges::sort(lengths);
    fmt::print("# {}\n#   tokens per example: mean {:.1f}, median {}, 95 % {}, longest {}\n",
               describe(name, *split),
               static_cast<double>(total) / static_cast<double>(data.size()),
               lengths[lengths.size() / 2], lengths[lengths.size() * 95 / 100], lengths.back());
    for (const Schedule& schedule : in.spec.schedules()) {
      const FlopCounts flops = mean_flops(data, model->pack_plan(schedule),
                                          in.hf_config.family->costs(in.hf_config).layer);
      fmt::print(
          "#   MFLOP per example (full → {}): score and context {:.2f} → {:.2f}, attention "
          "{:.1f} → {:.1f}, encoder {:.1f} → {:.1f}\n",
          in.spec.elastic.empty() ? "schedule"
                                  : fmt::format("P = {}", independent_layers(schedule)),
          flops.full.score_context / 1e6, flops.lait.score_context / 1e6,
          flops.full.attention / 1e6, flops.lait.attention / 1e6, flops.full.encoder / 1e6,
          flops.lait.encoder / 1e6);
    }
    if (const DecoderFlops decoder = mean_decoder_flops(model, data); decoder.total() > 0) {
      fmt::print(
          "#   and of the decoder, all labels ranked: cross-attention {:.1f}, decoder {:.1f}, "
          "logits {:.1f}\n",
          decoder.cross_attention / 1e6, decoder.decoder / 1e6, decoder.logits / 1e6);
    }
  }
  fmt::print("# {}\n", kFlopsDefinition);
  return print_cost(in, model, device);
}

}  // namespace lait
