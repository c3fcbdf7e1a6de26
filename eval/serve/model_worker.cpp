#include "eval/serve/model_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "lait/base/file_writer.h"
#include "lait/base/terminal.h"

namespace lait {
namespace {

// The part of a result that is of the examples [begin, begin + count).
JobResult part_of(const JobResult& all, size_t begin, size_t count) {
  const auto cut = [&](const auto& list) {
    using List = std::remove_cvref_t<decltype(list)>;
    if (list.empty()) return List();
    const auto first = list.begin() + static_cast<std::ptrdiff_t>(begin);
    return List(first, first + static_cast<std::ptrdiff_t>(count));
  };
  return {.predictions = cut(all.predictions),
          .logits = cut(all.logits),
          .truncated = cut(all.truncated)};
}

}  // namespace

void ModelWorker::run() {
  while (true) {
    std::vector<Job> jobs = queue_.take(kMostBatchDocuments);
    if (jobs.empty()) return;
    size_t documents = 0;
    for (const Job& job : jobs) documents += job.documents();
    metrics_.begin_batch(documents);
    const auto ahead =
        std::ranges::stable_partition(jobs, [](const Job& job) { return job.texts.empty(); });
    const auto num_predicted = static_cast<size_t>(ahead.begin() - jobs.begin());
    predict_all(std::span(jobs).first(num_predicted));
    for (Job& job : ahead) predict_all({&job, 1});
    metrics_.end_batch();
  }
}

// A job that fails must not take others with it: then each is computed alone.
void ModelWorker::predict_all(std::span<Job> jobs) {
  if (jobs.size() > 1) {
    try {
      Job merged;
      for (const Job& job : jobs)
        std::ranges::copy(job.examples, std::back_inserter(merged.examples));
      const JobResult all = result_of(merged);
      size_t begin = 0;
      for (Job& job : jobs) {
        job.result.set_value(part_of(all, begin, job.examples.size()));
        begin += job.examples.size();
      }
      return;
    } catch (const std::exception&) {
    }
  }
  for (Job& job : jobs) {
    try {
      job.result.set_value(result_of(job));
    } catch (...) {
      job.result.set_exception(std::current_exception());
    }
  }
}

JobResult ModelWorker::result_of(const Job& job) {
  const auto compute = [&] {
    JobResult out = job.texts.empty() ? predict(job.examples) : add_texts(job);
    // Before the answer, so that who has it finds it counted.
    if (const SegmentValues* values = predictor_.values())
      metrics_.set_segments(values->counts(), values->memory_bytes());
    return out;
  };
  try {
    return compute();
  } catch (const WriteError& error) {
    show(fmt::format("lait-serve: {}; the store is only read\n", error.what()));
    predictor_.values()->stop_writing();
    return compute();
  }
}

JobResult ModelWorker::predict(std::span<const Example> examples) {
  JobResult out;
  Outputs outputs;
  if (predictor_.values() != nullptr) {
    auto found = predictor_.valued_outputs(examples);
    outputs = std::move(found->outputs);
    out.truncated = std::move(found->truncated);
  } else {
    const Dataset dataset = predictor_.tokenize(examples);
    outputs = *predictor_.outputs(dataset, {.batch_size = batch_size_});
    for (int64_t i = 0; i < dataset.size(); ++i) {
      const auto truncated = dataset.example(i).truncated;
      out.truncated.emplace_back(truncated.begin(), truncated.end());
    }
  }
  out.predictions = predictor_.model()->head->predict(outputs);
  if (predictor_.spec().head == HeadKind::kRelevance) {
    const float* values = outputs.values.const_data_ptr<float>();
    out.logits.assign(values, values + outputs.values.numel());
  }
  return out;
}

JobResult ModelWorker::add_texts(const Job& job) {
  std::vector<Example> examples;
  for (const std::string& text : job.texts) examples.emplace_back().segments = {"", text};
  std::vector<PlacedSegment> placed = placed_segments(examples, predictor_.tokenize_options());
  std::erase_if(placed, [](const PlacedSegment& segment) { return segment.segment == 0; });
  SegmentValues& values = *predictor_.values();
  const SegmentValues::Counts before = values.counts();
  values.of(placed);
  values.commit();
  const SegmentValues::Counts& after = values.counts();
  return {.counts = {.found = after.found - before.found,
                     .computed = after.computed - before.computed,
                     .computed_tokens = after.computed_tokens - before.computed_tokens,
                     .computed_bytes = after.computed_bytes - before.computed_bytes}};
}

}  // namespace lait
