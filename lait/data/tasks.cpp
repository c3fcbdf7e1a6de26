#include "lait/data/tasks.h"

#include "lait/base/error.h"
#include "lait/config/did_you_mean.h"

namespace lait {

const std::vector<const Task*>& all_tasks() {
  static const std::vector<const Task*> tasks{&wordnet_task(),  &sick_task(), &mnli_task(),
                                              &snli_task(),     &rte_task(),  &boolq_task(),
                                              &vitaminc_task(), &stsb_task(), &jsonl_task()};
  return tasks;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task* task : all_tasks()) names.push_back(task->name());
  return names;
}

LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        const ReadOptions& options) {
  LabelledData data;
  std::string names;
  for (const std::string& file : files) {
    ReadOptions left = options;
    left.skip_bad_lines -= data.counts.bad_lines;
    task.read(file, left, data.examples, data.counts);
    names += (names.empty() ? "" : ", ") + file;
  }
  if (!files.empty() && data.examples.empty())
    throw UserError(names + ": expected examples of task " + task.name() + ", got none");
  return data;
}

std::string left_out(const ReadCounts& counts) {
  std::string text;
  if (counts.bad_lines > 0) text += ", " + std::to_string(counts.bad_lines) + " bad lines skipped";
  if (counts.unlabelled > 0)
    text += ", " + std::to_string(counts.unlabelled) + " without gold label left out";
  return text;
}

const Task& find_task(const std::string& name) {
  std::string list;
  for (const Task* task : all_tasks()) {
    if (task->name() == name) return *task;
    list += (list.empty() ? "" : ", ") + task->name();
  }
  throw UserError("task: expected one of {" + list + "}, got '" + name + "'" +
                  did_you_mean(name, task_names()));
}

}  // namespace lait
