// Work on several threads, for the parts that run without LibTorch.
#pragma once
#include <cstdint>
#include <functional>

namespace lait {

// Calls body(0) … body(count - 1), each once, begun in that order, on at most `threads` threads, of
// which this is one. If calls throw, it throws what the first of them in that order threw; calls
// that had not begun by then are left out.
void for_each_on(int threads, int64_t count, const std::function<void(int64_t)>& body);

}  // namespace lait
