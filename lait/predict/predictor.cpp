#include "lait/predict/predictor.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/config/enum_names.h"
#include "lait/data/batches.h"
#include "lait/model/device.h"
#include "lait/model/generate.h"

namespace lait {

namespace {

// Outputs with rows concatenated in the batches' order.
Outputs batch_outputs(Model& model, const Dataset& dataset, const std::vector<int64_t>& batch,
                      const Schedule& schedule, SequenceValues* values) {
  const BatchOptions options{.labels = false, .backward = false};
  Outputs out =
      model->forward(values != nullptr ? values->whole_batch(dataset, batch, schedule, options)
                                       : model->to_batch(dataset, batch, schedule, options),
                     Randomness{});
  out.values = out.values.to(at::kCPU, at::kFloat).contiguous();
  return out;
}

// The outputs of batches in `order`, put into the data set's order.
Outputs reordered(const std::vector<Outputs>& parts, const std::vector<int64_t>& order) {
  struct Rows {
    const float* data = nullptr;
    int64_t count = 1;
  };
  std::vector<Rows> of_example(order.size());
  const int64_t width = parts.empty() ? 0 : parts.front().values.size(1);
  size_t done = 0;
  bool ragged = false;
  int64_t total = 0;
  for (const Outputs& part : parts) {
    const float* data = part.values.const_data_ptr<float>();
    ragged = ragged || !part.offsets.empty();
    total += part.values.size(0);
    for (int64_t i = 0; i < part.num_examples(); ++i) {
      const int64_t begin = part.offsets.empty() ? i : part.offsets[i],
                    end = part.offsets.empty() ? i + 1 : part.offsets[i + 1];
      of_example[order[done++]] = {data + begin * width, end - begin};
    }
  }
  Outputs out{at::empty({total, width}, at::kFloat)};
  if (ragged) out.offsets.push_back(0);
  float* to = out.values.mutable_data_ptr<float>();
  for (const Rows& rows : of_example) {
    to = std::copy_n(rows.data, rows.count * width, to);
    if (ragged) out.offsets.push_back(out.offsets.back() + rows.count);
  }
  return out;
}

// The examples that a rank computes: every num_ranks-th, so that all parts' lengths are alike.
std::vector<int64_t> part_of_rank(const std::vector<int64_t>& longest_first, int rank,
                                  int num_ranks) {
  std::vector<int64_t> part;
  for (size_t i = rank; i < longest_first.size(); i += num_ranks) part.push_back(longest_first[i]);
  return part;
}

Outputs no_examples(const Outputs& outputs) {
  Outputs none{outputs.values.narrow(0, 0, 0)};
  if (!outputs.offsets.empty()) none.offsets.push_back(0);
  return none;
}

// The parts of all ranks, a part for each rank.
std::vector<Outputs> gather(Ranks& ranks, const std::vector<Outputs>& parts) {
  std::vector<at::Tensor> values;
  std::vector<int64_t> ends;  // of each example's rows, if there are offsets
  int64_t rows = 0;
  for (const Outputs& part : parts) {
    values.push_back(part.values);
    for (size_t i = 1; i < part.offsets.size(); ++i) ends.push_back(rows + part.offsets[i]);
    rows += part.values.size(0);
  }
  std::vector<Outputs> out;
  for (const at::Tensor& of_rank : ranks.gather(at::cat(values))) out.push_back({of_rank});
  if (parts.front().offsets.empty()) return out;
  const auto ends_of = ranks.gather(at::from_blob(ends.data(), {std::ssize(ends)}, at::kLong));
  for (size_t rank = 0; rank < out.size(); ++rank) {
    const int64_t* end = ends_of[rank].const_data_ptr<int64_t>();
    out[rank].offsets.assign(1, 0);
    out[rank].offsets.insert(out[rank].offsets.end(), end, end + ends_of[rank].numel());
  }
  return out;
}

// The checkpoint in a run directory; any other path as it is.
std::filesystem::path best_of_run(const std::filesystem::path& dir) {
  const std::filesystem::path best = dir / "best";
  const bool is_run =
      !std::filesystem::exists(dir / "lait.yaml") && std::filesystem::exists(best / "lait.yaml");
  return is_run ? best : dir;
}

}  // namespace

std::optional<Outputs> run_model(Model& model, const Dataset& dataset, const Schedule& schedule,
                                 const PredictOptions& options) {
  at::NoGradGuard no_grad;
  Ranks alone;
  Ranks& ranks = options.ranks == nullptr ? alone : *options.ranks;
  const std::vector<int64_t> all = longest_first(dataset),
                             mine = part_of_rank(all, ranks.rank(), ranks.size());
  std::vector<Outputs> parts;
  int64_t done = 0;
  bool stopped = false;
  for (const auto& batch :
       split_into_batches(dataset, mine, options.batch_size, BatchBy::kExamples)) {
    stopped = options.should_stop && options.should_stop();
    if (stopped) break;
    parts.push_back(batch_outputs(model, dataset, batch, schedule, options.values));
    done += std::ssize(batch);
    if (options.on_progress) options.on_progress(std::min(done * ranks.size(), dataset.size()));
  }
  if (ranks.max(stopped) > 0) return std::nullopt;
  if (ranks.size() == 1) return reordered(parts, mine);
  // A rank without examples of its own finds the outputs' shape with another's.
  if (parts.empty())
    parts.push_back(no_examples(batch_outputs(model, dataset, {0}, schedule, options.values)));
  std::vector<int64_t> order;
  for (int rank = 0; rank < ranks.size(); ++rank)
    std::ranges::copy(part_of_rank(all, rank, ranks.size()), std::back_inserter(order));
  return reordered(gather(ranks, parts), order);
}

void warm_up(Model& model, const Dataset& dataset, const Schedule& schedule, int64_t batch_size) {
  at::NoGradGuard no_grad;
  const auto batches = batches_by_length(dataset, batch_size, BatchBy::kExamples);
  if (!batches.empty()) batch_outputs(model, dataset, batches.front(), schedule, nullptr);
}

Predictor::Predictor(Model model, std::shared_ptr<const Tokenizer> tokenizer)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)) {
  model_->head->use_tokenizer(*tokenizer_);
  model_->keep_blocked();
}

Predictor Predictor::load(const std::filesystem::path& checkpoint_or_run, Precision precision,
                          DeviceKind device, std::optional<int64_t> independent_layers) {
  const std::filesystem::path checkpoint = best_of_run(checkpoint_or_run);
  const at::Device place = resolve_device(device);
  const ModelSpec spec = spec_at(checkpoint, independent_layers);
  auto tokenizer = load_tokenizer(checkpoint);
  check_fits(checkpoint, *tokenizer, read_hf_config(checkpoint));
  Model model = load_checkpoint(checkpoint, spec, resolve_precision(precision, place));
  model->move_to(place);
  return {std::move(model), std::move(tokenizer)};
}

Prediction Predictor::predict(std::vector<std::string> segments) {
  const Example example{.segments = std::move(segments)};
  check_example(example, spec());
  if (values_) return model_->head->predict(valued_outputs({&example, 1})->outputs).front();
  const Dataset dataset = tokenize({&example, 1});
  if (!dataset.has_windows()) return model_->head->predict(*outputs(dataset)).front();
  const Answer answer = answers(dataset)->front();
  return {.label = answer.is_none(spec().no_answer_threshold) ? "" : answer.text,
          .score = answer.score,
          .value = answer.score};
}

std::optional<std::vector<Answer>> Predictor::answers(const Dataset& dataset,
                                                      const PredictOptions& options) {
  const std::optional<Outputs> found = outputs(dataset, options);
  if (!found) return std::nullopt;
  return find_answers(model_->head->predict(*found), dataset);
}

Dataset Predictor::tokenize(std::span<const Example> examples) const {
  return Dataset(examples, *tokenizer_, tokenize_options());
}

TokenizeOptions Predictor::tokenize_options() const {
  return spec().tokenize_options(model_->config, *tokenizer_);
}

void Predictor::use_store(StoreUse use) {
  if (spec().window_overlap) {
    throw UserError("--cache and --pairs do not serve " + to_string(spec().head) +
                    " models, whose passages are cut into windows; leave them out");
  }
  values_ = std::make_unique<SegmentValues>(model_, tokenizer_, spec().schedule, std::move(use));
}

std::optional<ValuedOutputs> Predictor::valued_outputs(std::span<const Example> examples,
                                                       const PredictOptions& options) {
  return lait::valued_outputs(
      model_, *values_, examples, tokenize_options(),
      {.should_stop = options.should_stop, .on_progress = options.on_progress});
}

std::optional<std::vector<GeneratedText>> Predictor::generate(const Dataset& dataset,
                                                              int64_t max_new_tokens,
                                                              const PredictOptions& options) {
  const GenerateOptions greedy{.end_token = tokenizer_->special_tokens().sep,
                               .max_tokens = max_new_tokens};
  std::vector<GeneratedText> texts(dataset.size());
  int64_t done = 0;
  for (const auto& batch : batches_by_length(dataset, options.batch_size, BatchBy::kExamples)) {
    if (options.should_stop && options.should_stop()) return std::nullopt;
    const auto made = lait::generate(
        model_, model_->to_batch(dataset, batch, spec().schedule, {.labels = false}), greedy);
    for (size_t i = 0; i < batch.size(); ++i) {
      texts[batch[i]] = {tokenizer_->decode(made[i].tokens, /*skip_special_tokens=*/true),
                         made[i].is_finite};
    }
    done += std::ssize(batch);
    if (options.on_progress) options.on_progress(done);
  }
  return texts;
}

std::optional<Outputs> Predictor::outputs(const Dataset& dataset, const PredictOptions& options) {
  return run_model(model_, dataset, spec().schedule, options);
}

std::optional<Outputs> Predictor::outputs(std::span<const Example> examples,
                                          const PredictOptions& options) {
  return outputs(tokenize(examples), options);
}

}  // namespace lait
