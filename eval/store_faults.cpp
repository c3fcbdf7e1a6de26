#include "eval/store_faults.h"

#include <fmt/format.h>

#include <vector>

#include "lait/base/terminal.h"

namespace lait {

void show_faults(const std::string& program, const SegmentStore& store) {
  constexpr size_t kNamed = 3;
  const std::vector<StoreFault> faults = store.faults();
  for (size_t i = 0; i < faults.size() && i < kNamed; ++i) {
    show(fmt::format("{}: {}: byte {}: {}; computed again\n", program, faults[i].file.string(),
                     faults[i].offset, faults[i].what));
  }
  if (faults.size() > kNamed) {
    show(fmt::format("{}: and {} more; `lait-cache verify` names all\n", program,
                     faults.size() - kNamed));
  }
}

}  // namespace lait
