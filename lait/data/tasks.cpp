#include "lait/data/tasks.h"

#include "lait/base/error.h"
#include "lait/config/did_you_mean.h"

namespace lait {

const std::vector<const Task*>& all_tasks() {
  static const std::vector<const Task*> tasks{
      &wordnet_task(), &sick_task(),     &mnli_task(), &snli_task(),  &rte_task(),
      &boolq_task(),   &vitaminc_task(), &stsb_task(), &jsonl_task(), &table_task()};
  return tasks;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task* task : all_tasks()) names.push_back(task->name());
  return names;
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
