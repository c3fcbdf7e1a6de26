#include "eval/serve/model_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/serve/job_window.h"
#include "lait/base/error.h"
#include "lait/base/terminal.h"
#include "lait/predict/value_window.h"

namespace lait {

void ModelWorker::run() {
  const int64_t max_tokens = predictor_.spec().max_segment_tokens;
  while (true) {
    std::vector<Job> jobs = queue_.take(options_.batch_tokens);
    if (jobs.empty()) return;
    size_t documents = 0;
    int64_t tokens = 0;
    for (const Job& job : jobs) {
      documents += job.documents();
      tokens += job.tokens(max_tokens);
    }
    metrics_.begin_batch(documents, tokens);
    compute(jobs);
    commit();
    metrics_.end_batch();
  }
}

// A job that fails must not take others with it: then each that has no answer is computed alone.
void ModelWorker::compute(std::span<Job> jobs) {
  const auto ahead = std::ranges::stable_partition(
      jobs, [](const Job& job) { return job.kind != Job::Kind::kAhead; });
  const auto predicted = jobs.first(jobs.size() - ahead.size());
  if (predicted.size() > 1) {
    try {
      predict(predicted);
    } catch (const std::exception&) {
    }
  }
  for (Job& job : jobs) {
    if (!job.done) continue;
    try {
      job.kind == Job::Kind::kAhead ? add_texts(job) : predict({&job, 1});
    } catch (const std::exception&) {
      answer(job, {.error = std::current_exception()});
    }
  }
}

void ModelWorker::predict(std::span<Job> jobs) {
  std::vector<JobResult> results(jobs.size());
  std::vector<JobWindow::Item> items;
  ValueWindow window(predictor_.values(), options_.window_documents, options_.window_bytes);
  size_t text_bytes = 0, answered = 0;
  const auto flush = [&](size_t complete) {  // jobs before that one have all their items
    if (!items.empty()) {
      writing([&] { JobWindow(predictor_, jobs, items).predict(results, options_.batch_size); });
    }
    items.clear();
    window.clear();
    text_bytes = 0;
    for (; answered < complete; ++answered) answer(jobs[answered], std::move(results[answered]));
  };
  for (size_t j = 0; j < jobs.size(); ++j) {
    const Job& job = jobs[j];
    for (size_t d = 0; d < job.documents(); ++d) {
      items.push_back({j, d});
      if (job.kind == Job::Kind::kExamples) {
        window.add(job.examples[d]);
        for (const std::string& text : job.examples[d].segments) text_bytes += text.size();
      } else {
        window.add(job.texts[d]);
        text_bytes += job.query.size() + job.texts[d].size();
      }
      const bool is_full =
          predictor_.values() == nullptr && text_bytes >= options_.window_text_bytes;
      if (is_full || window.is_full()) flush(d + 1 == job.documents() ? j + 1 : j);
    }
  }
  flush(jobs.size());
}

// The answer comes when the values are written: that is what was asked for.
void ModelWorker::add_texts(Job& job) {
  SegmentValues& values = *predictor_.values();
  const SegmentValues::Counts before = values.counts();
  const TokenizeOptions options = predictor_.tokenize_options();
  ValueWindow window(&values, options_.window_documents, options_.window_bytes);
  size_t begin = 0;
  for (size_t end = 1; end <= job.texts.size(); ++end) {
    window.add(job.texts[end - 1]);
    if (!window.is_full() && end < job.texts.size()) continue;
    const auto placed = placed_texts(std::span(job.texts).subspan(begin, end - begin), 1, options);
    try {
      writing([&] { values.of(placed); });
    } catch (const TooLong& error) {
      throw TooLong("document", begin + error.example, error.problem);
    }
    begin = end;
    window.clear();
  }
  commit();
  const SegmentValues::Counts& after = values.counts();
  answer(job, {.counts = {.found = after.found - before.found,
                          .computed = after.computed - before.computed,
                          .computed_tokens = after.computed_tokens - before.computed_tokens,
                          .computed_bytes = after.computed_bytes - before.computed_bytes}});
}

void ModelWorker::answer(Job& job, JobResult result) {
  // First, so that who has the answer finds it counted.
  if (const SegmentValues* values = predictor_.values())
    metrics_.set_segments(values->counts(), values->memory_bytes());
  result.texts = std::move(job.texts);
  std::exchange(job.done, nullptr)(std::move(result));
}

template <class Body>
void ModelWorker::writing(const Body& body) {
  try {
    body();
  } catch (const TooLong&) {
    throw;
  } catch (const UserError& error) {
    if (predictor_.values() == nullptr || !predictor_.values()->writes()) throw;
    only_read(error);
    body();
  }
}

void ModelWorker::commit() {
  if (predictor_.values() == nullptr) return;
  try {
    predictor_.values()->commit();
  } catch (const std::exception& error) {
    only_read(error);
  }
}

void ModelWorker::only_read(const std::exception& error) {
  show(fmt::format("lait-serve: {}; the store is only read\n", error.what()));
  predictor_.values()->stop_writing();
}

}  // namespace lait
