// The settings of jemalloc, which each program links: it allocates all memory, LibTorch's too.
//
// Batches have many lengths, so each step allocates large tensors of other sizes. glibc's heap is
// broken up by them: it grew by the step, to half as much again as jemalloc's, which grows little
// (docs/training.md has the measurement). What is freed stays with the process: if it went back to
// the system, the next step would clear its pages again.
//
// The environment variable MALLOC_CONF overrides these. A library's user chooses an allocator
// himself.
extern "C" {
const char* malloc_conf = "dirty_decay_ms:-1,muzzy_decay_ms:-1";
}
