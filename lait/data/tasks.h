// The tasks; lait/data/task_*.cpp defines them, tasks.cpp lists them.
#pragma once
#include "lait/data/task.h"

namespace lait {

const Task& wordnet_task();
const Task& sick_task();
const Task& mnli_task();
const Task& snli_task();
const Task& rte_task();
const Task& boolq_task();
const Task& vitaminc_task();
const Task& stsb_task();
const Task& jsonl_task();
const Task& table_task();

}  // namespace lait
