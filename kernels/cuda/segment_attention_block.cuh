// What a block of the CUDA kernels does around the products: which warps work on which unit, loads
// and stores, and the steps on a tile of scores: biases, causality, dropout.
//
// A block is one head of one to four teams of warps (work_list.h), which share what they stream.
#pragma once
#include "kernels/cuda/tiles.cuh"
#include "kernels/lexical_bias.h"
#include "kernels/position_bias.h"
#include "kernels/segment_attention.h"

namespace lait::kernels::cuda {

constexpr float kLog2e = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// The sum over the lanes that differ in the bits kFrom … kTo / 2; each of them gets the sum.
template <int kFrom, int kTo>
__device__ inline float sum_over_lanes(float x) {
#pragma unroll
  for (int lanes = kFrom; lanes < kTo; lanes *= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}

// One launch: a part of the work list. The grid has num_heads blocks for each block of the list,
// then, where asked for, num_heads blocks for the dead rows.
struct Launch {
  const int32_t* tiles = nullptr;
  int32_t blocks[kTeamSizes] = {};
  int32_t stages = 1;      // buffers for what is streamed
  float* delta = nullptr;  // (H, Tq) out . dout, written by the launch by query for that by key
  float* bias_parts = nullptr;     // (blocks, num_buckets, H) gradient of the position bias
  float* lexical_parts = nullptr;  // (blocks, H) gradient of the lexical bias
};

constexpr int num_blocks(const int32_t (&blocks)[kTeamSizes]) {
  return blocks[0] + blocks[1] + blocks[2];
}

// Whether this block comes after those of the list.
__device__ inline bool is_for_dead_rows(const Launch& launch, int num_heads) {
  return static_cast<int>(blockIdx.x) / num_heads >= num_blocks(launch.blocks);
}

struct Team {
  // The team's warps, the team's index in the block, the warp's index in the team.
  int warps = 1, index = 0, warp = 0;
  __device__ int threads() const { return 32 * warps; }
  __device__ int thread() const { return 32 * warp + static_cast<int>(threadIdx.x) % 32; }
  __device__ void sync() const {
    if (warps == 1) {
      __syncwarp();
    } else {
      barrier(1 + index, threads());
    }
  }
};

struct Unit {
  int q_begin, num_q, k_begin, num_k;
};

// The work of a warp. `unit` is -1 where its team has none.
struct Share {
  Team team;
  int unit, begin, head, block;
};

__device__ inline Share share_of(const Launch& launch, int num_heads) {
  Share s;
  const int warp = threadIdx.x / 32;
  s.block = blockIdx.x / num_heads;
  s.head = blockIdx.x % num_heads;
  const int shift = s.block < launch.blocks[0]                      ? 0
                    : s.block < launch.blocks[0] + launch.blocks[1] ? 1
                                                                    : 2;
  s.team = {1 << shift, warp >> shift, warp & ((1 << shift) - 1)};
  const int32_t* tile = launch.tiles + 2 * (s.block * kWarps + warp);
  s.unit = tile[0];
  s.begin = tile[1];
  return s;
}

__device__ inline Unit unit_of(const SegmentAttentionParams& p, int unit) {
  const int q = p.q_offsets[unit], k = p.k_offsets[unit];
  return {q, p.q_offsets[unit + 1] - q, k, p.k_offsets[unit + 1] - k};
}

template <class T>
__device__ inline const T* row_pointer(const Rows<const void*>& rows, int64_t row, int head) {
  return static_cast<const T*>(rows.data) + row * rows.row_stride + head * rows.head_stride;
}
template <class T>
__device__ inline T* row_pointer(const Rows<void*>& rows, int64_t row, int head) {
  return static_cast<T*>(rows.data) + row * rows.row_stride + head * rows.head_stride;
}

// Copies `count` rows to shared rows from `to` on, and fills with zeros up to `padded`. Run by
// `threads` threads; this is thread `thread`. row_of(i) is row i of one head; it is called with
// increasing i. `readable` is any device address.
template <class T, int D, class RowOf>
__device__ inline void load_rows(Shared base, int to, RowOf row_of, const void* readable, int count,
                                 int padded, int thread, int threads) {
  using Smem = SharedRows<T, D>;
  for (int i = thread; i < padded * Smem::kPieces; i += threads) {
    const int row = i / Smem::kPieces, piece = i % Smem::kPieces;
    const bool valid = row < count;
    copy16_async(Smem::piece(base, to + row, piece),
                 valid ? row_of(row) + piece * Smem::kElements : readable, valid);
  }
}
// The same for rows [from, from + count) of a tensor.
template <class T, int D>
__device__ inline void load_rows(Shared base, int to, const Rows<const void*>& rows, int64_t from,
                                 int head, int count, int padded, int thread, int threads) {
  const T* source = row_pointer<T>(rows, from, head);
  load_rows<T, D>(
      base, to, [&](int row) { return source + row * rows.row_stride; }, rows.data, count, padded,
      thread, threads);
}

// Copies shared rows to global memory. Run by one warp.
template <class T, int D>
__device__ inline void store_rows(Shared base, int from, const Rows<void*>& rows, int64_t to,
                                  int head, int count) {
  using Smem = SharedRows<T, D>;
  T* target = row_pointer<T>(rows, to, head);
  for (int i = threadIdx.x % 32; i < count * Smem::kPieces; i += 32) {
    const int row = i / Smem::kPieces, piece = i % Smem::kPieces;
    store16(target + row * rows.row_stride + piece * Smem::kElements,
            load16(Smem::piece(base, from + row, piece)));
  }
}

// Fills the rows before the first unit and after the last one with zeros, for one head.
template <class T, int D>
__device__ inline void clear_dead_rows(const Rows<void*>& rows, const int32_t* offsets,
                                       int64_t num_units, int64_t num_rows, int head) {
  using Smem = SharedRows<T, D>;
  const int64_t first = offsets[0], last = offsets[num_units], dead = first + num_rows - last;
  for (int64_t i = threadIdx.x; i < dead * Smem::kPieces; i += kThreads) {
    const int64_t row = i / Smem::kPieces;
    T* target = row_pointer<T>(rows, row < first ? row : row - first + last, head);
    store16(target + i % Smem::kPieces * Smem::kElements, uint4{0, 0, 0, 0});
  }
}

// Streams chunks through one or two buffers: load(i) starts the copies of chunk i and commits them,
// before() runs once when the first chunk has arrived, step(i) when chunk i has. All warps of the
// team take part.
template <class Load, class Before, class Step>
__device__ inline void stream_chunks(const Team& team, int stages, int num_chunks, const Load& load,
                                     const Before& before, const Step& step) {
  if (num_chunks > 0) {
    load(0);
  } else {
    commit_copies();
  }
  for (int i = 0; i < num_chunks; ++i) {
    if (stages > 1 && i + 1 < num_chunks) {
      load(i + 1);
      wait_copies<1>();
    } else {
      wait_copies<0>();
    }
    team.sync();
    if (i == 0) before();
    step(i);
    if (i + 1 < num_chunks) {
      team.sync();
      if (stages == 1) load(i + 1);
    }
  }
  if (num_chunks == 0) wait_copies<0>();
}

// The position of query i of the unit.
__device__ inline int position(const SegmentAttentionParams& p, const Unit& unit, int i) {
  return p.q_positions ? p.q_positions[unit.q_begin + min(i, unit.num_q - 1)]
                       : unit.num_k - unit.num_q + i;
}

// The words of query i and key j of the unit; without a lexical bias, and beyond the last one,
// those that match nothing.
__device__ inline int query_word(const SegmentAttentionParams& p, const Unit& unit, int i) {
  return p.lexical.table && i < unit.num_q ? p.lexical.q_words[unit.q_begin + i] : kNoWord;
}
__device__ inline int key_word(const SegmentAttentionParams& p, const Unit& unit, int j) {
  return p.lexical.table && j < unit.num_k ? p.lexical.k_words[unit.k_begin + j] : kNoWord;
}
// The lexical bias of a head, times log2 e.
__device__ inline float lexical_bias(const SegmentAttentionParams& p, int head) {
  return p.lexical.table ? kLog2e * p.lexical.table[head] : 0;
}

// The positions and words of the queries that a warp owns as columns; zeros where not `needed`.
template <int kTiles>
struct QueryColumns {
  int of_lane[kTiles][2] = {};  // this lane's columns
  int word_of_lane[kTiles][2] = {};
  int of_call[kTiles] = {};  // of column lane % 8, for which the lane calls the generator
  int last = 0;              // the last key that any query of the warp sees

  __device__ QueryColumns(bool needed, const SegmentAttentionParams& p, const Unit& unit, int begin,
                          int tiles) {
    if (!needed) return;
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      if (t >= tiles) continue;
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int i = begin + 8 * t + 2 * (threadIdx.x % 4) + e;
        of_lane[t][e] = position(p, unit, i);
        word_of_lane[t][e] = query_word(p, unit, i);
        last = max(last, of_lane[t][e]);
      }
      of_call[t] = position(p, unit, begin + 8 * t + threadIdx.x % 8);
    }
    last = __reduce_max_sync(kAllLanes, last);
  }
};

// The bias of a head by distance, times log2 e: [distance + max_distance]; longer distances take
// the longest one's.
__device__ inline void fill_bias(float* by_distance, const SegmentAttentionParams& p, int head) {
  for (int i = threadIdx.x; i <= 2 * p.bias.max_distance; i += kThreads) {
    const int bucket = position_bucket(i - p.bias.max_distance, p.bias.num_buckets,
                                       p.bias.max_distance, p.bias.bidirectional);
    by_distance[i] = kLog2e * p.bias.table[static_cast<int64_t>(bucket) * p.num_heads + head];
  }
}
__device__ inline int distance_index(const SegmentAttentionParams& p, int key, int query_position) {
  const int furthest = p.bias.max_distance;
  return min(max(key - query_position, -furthest), furthest) + furthest;
}

// The decisions of this lane's four elements of a tile, bit e for element e. One call of the
// generator gives the words of four consecutive keys, so a tile of 128 elements takes one call per
// lane; warp votes pass the bits to the lanes that need them.
struct DropoutTile {
  const Dropout& dropout;
  uint32_t unit_id, head, threshold;

  __device__ DropoutTile(const SegmentAttentionParams& p, const Share& share)
      : dropout(p.dropout),
        unit_id(p.dropout.p > 0 ? static_cast<uint32_t>(p.unit_ids[share.unit]) : 0),
        head(static_cast<uint32_t>(share.head)),
        threshold(dropout_threshold(p.dropout.p)) {}

  // Rows are keys, from `key`; columns are queries, and `query_position` is that of column lane %
  // 8.
  __device__ uint32_t keys_by_queries(int key, int query_position) const {
    const int lane = threadIdx.x % 32, g = lane / 4, c = lane % 4;
    const uint32_t word = pick(vote(query_position, key / 4 + lane / 8), g % 4);
    const int first = g / 4 * 8 + 2 * c;
    return (word >> first & 3) | (word >> (first + 16) & 3) << 2;
  }
  // Rows are queries, `query_position` that of row lane / 2; columns are keys, from `key`.
  __device__ uint32_t queries_by_keys(int key, int query_position) const {
    const int lane = threadIdx.x % 32, g = lane / 4, c = lane % 4;
    const uint4 words = vote(query_position, key / 4 + lane % 2);
    const uint32_t first = c % 2 ? words.z : words.x, second = c % 2 ? words.w : words.y;
    const int bit = 2 * g + c / 2;
    return (first >> bit & 1) | (second >> bit & 1) << 1 | (first >> (bit + 16) & 1) << 2 |
           (second >> (bit + 16) & 1) << 3;
  }

 private:
  __device__ uint4 vote(int row, int column_block) const {
    const PhiloxWords w = dropout_words(dropout, unit_id, static_cast<uint32_t>(row),
                                        static_cast<uint32_t>(column_block), head);
    return {__ballot_sync(kAllLanes, w.word[0] >= threshold),
            __ballot_sync(kAllLanes, w.word[1] >= threshold),
            __ballot_sync(kAllLanes, w.word[2] >= threshold),
            __ballot_sync(kAllLanes, w.word[3] >= threshold)};
  }
  __device__ static uint32_t pick(const uint4& w, int i) {
    return i < 2 ? (i == 0 ? w.x : w.y) : (i == 2 ? w.z : w.w);
  }
};

}  // namespace lait::kernels::cuda
