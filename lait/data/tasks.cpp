#include "lait/data/tasks.h"

#include "lait/base/error.h"
#include "lait/config/did_you_mean.h"

namespace lait {

const std::vector<const Task*>& all_tasks() {
  static const std::vector<const Task*> tasks{&wordnet_task(),
                                              &mnli_task(),
                                              &snli_task(),
                                              &anli_task(),
                                              &sick_task(),
                                              &rte_task(),
                                              &qnli_task(),
                                              &paws_task(),
                                              &mrpc_task(),
                                              &qqp_task(),
                                              &wic_task(),
                                              &boolq_task(),
                                              &boolq_split_task(),
                                              &multirc_task(),
                                              &fever_task(),
                                              &vitaminc_task(),
                                              &scifact_task(),
                                              &fnc1_task(),
                                              &answer_equivalence_task(),
                                              &ranking_task(),
                                              &squad_task(),
                                              &stsb_task(),
                                              &sick_relatedness_task(),
                                              &jsonl_task(),
                                              &table_task()};
  return tasks;
}

std::vector<Record> Task::examples_of(Record record, const TextTable*) const {
  std::vector<Record> one;
  one.push_back(std::move(record));
  return one;
}

std::vector<Record> records(Record::Json example) {
  std::vector<Record> one;
  one.emplace_back(std::move(example));
  return one;
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
