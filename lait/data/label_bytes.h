// Labels as bytes, as a tokenized data set stores them.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "lait/data/label.h"

namespace lait {

// Appends the label: its kind, then its values.
void append_label(std::vector<std::byte>& bytes, const Label& label);
// REQUIRES: append_label wrote the bytes.
Label read_label(std::span<const std::byte> bytes);

}  // namespace lait
