// How a CPU kernel runs in parallel without knowing LibTorch: the caller passes its own loop (the
// operators pass at::parallel_for, so that one thread pool serves the whole program). A null loop
// runs serially.
#pragma once
#include <cstdint>
#include <type_traits>

namespace lait::kernels {

using ParallelBody = void(void* context, int64_t begin, int64_t end);
// Calls body on disjoint ranges that cover [begin, end), each of at least `grain` where possible;
// returns when all have run.
using ParallelFor = void (*)(int64_t begin, int64_t end, int64_t grain, ParallelBody* body,
                             void* context);

// body(begin, end), run by `loop`.
template <class Body>
void parallel_for(ParallelFor loop, int64_t begin, int64_t end, int64_t grain, Body&& body) {
  if (begin >= end) return;
  if (loop == nullptr) return body(begin, end);
  using Plain = std::remove_reference_t<Body>;
  loop(
      begin, end, grain,
      [](void* context, int64_t b, int64_t e) { (*static_cast<Plain*>(context))(b, e); },
      const_cast<std::remove_const_t<Plain>*>(&body));
}

}  // namespace lait::kernels
