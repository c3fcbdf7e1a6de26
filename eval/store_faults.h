// What a store could not read, for the user.
#pragma once
#include <string>

#include "lait/cache/segment_store.h"

namespace lait {

// Warns on standard error, naming the first few. Nothing without faults.
void show_faults(const std::string& program, const SegmentStore& store);

}  // namespace lait
