// The tasks; lait/data/task_*.cpp defines them, tasks.cpp lists them.
#pragma once
#include "lait/data/task.h"

namespace lait {

const Task& wordnet_task();
const Task& mnli_task();
const Task& snli_task();
const Task& anli_task();
const Task& squad_task();
const Task& sick_task();
const Task& rte_task();
const Task& qnli_task();
const Task& paws_task();
const Task& mrpc_task();
const Task& qqp_task();
const Task& wic_task();
const Task& boolq_task();
const Task& boolq_split_task();
const Task& multirc_task();
const Task& fever_task();
const Task& vitaminc_task();
const Task& scifact_task();
const Task& fnc1_task();
const Task& answer_equivalence_task();
const Task& ranking_task();
const Task& squad_task();
const Task& stsb_task();
const Task& sick_relatedness_task();
const Task& jsonl_task();
const Task& table_task();

}  // namespace lait
