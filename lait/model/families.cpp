#include <algorithm>

#include "lait/model/family.h"

namespace lait {

// One line for each family; the function is defined in the family's file.
const Family& bert_family();
const Family& mpnet_family();
const Family& roberta_family();
const Family& t5_family();

namespace {

std::vector<const Family*>& list() {
  static std::vector<const Family*> families{&bert_family(), &mpnet_family(), &roberta_family(),
                                             &t5_family()};
  return families;
}

}  // namespace

const std::vector<const Family*>& all_families() { return list(); }

const Family* find_family(const std::string& model_type) {
  const auto found = std::ranges::find_if(
      list(), [&](const Family* family) { return family->model_type() == model_type; });
  return found == list().end() ? nullptr : *found;
}

std::string family_names() {
  std::string names;
  for (const Family* family : list()) names += (names.empty() ? "" : ", ") + family->model_type();
  return names;
}

void register_family(const Family& family) { list().push_back(&family); }

}  // namespace lait
