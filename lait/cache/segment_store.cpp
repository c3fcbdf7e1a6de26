#include "lait/cache/segment_store.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace lait {
namespace {

// A batch of this size is committed by itself.
constexpr uint64_t kMostBatchBytes = uint64_t{64} << 20;

}  // namespace

SegmentStore::SegmentStore(std::filesystem::path dir) : dir_(std::move(dir)) { refresh(); }

SegmentStore::SegmentStore(std::filesystem::path dir, StoreWriteOptions options)
    : dir_(std::move(dir)),
      made_by_(options.made_by),
      writer_(std::make_unique<StoreWriter>(dir_, std::move(options))) {
  refresh();
}

SegmentStore::~SegmentStore() = default;

void SegmentStore::add_fault(StoreFault fault) const {
  const std::lock_guard lock(faults_mutex_);
  faults_.push_back(std::move(fault));
}

bool SegmentStore::is_whole(const Entry& entry) const {
  State state = entry.state.load(std::memory_order_relaxed);
  if (state == State::kUnseen) {
    const bool whole = checksum_of(entry.file->payload(entry.record)) == entry.record.checksum;
    state = whole ? State::kWhole : State::kDamaged;
    // Of several threads that ask for it at once, one adds the fault.
    if (entry.state.exchange(state) == State::kUnseen && !whole)
      add_fault({entry.file->path(), entry.record.offset,
                 "record " + to_string(entry.record.key) + " is damaged"});
  }
  return state == State::kWhole;
}

std::optional<StoredValue> SegmentStore::find(const Digest& key, std::string_view preferred) const {
  const std::shared_lock lock(index_mutex_);
  const auto [begin, end] = index_.equal_range(key);
  for (const bool must_be_preferred : {true, false}) {
    for (auto place = begin; place != end; ++place) {
      const Entry& entry = place->second;
      if ((entry.file->made_by() == preferred) != must_be_preferred || !is_whole(entry)) continue;
      return StoredValue{.bytes = entry.file->payload(entry.record),
                         .made_by = entry.file->made_by(),
                         .owner = entry.file->shared_from_this()};
    }
  }
  return std::nullopt;
}

bool SegmentStore::contains(const Digest& key, std::optional<std::string_view> made_by) const {
  const std::shared_lock lock(index_mutex_);
  const auto [begin, end] = index_.equal_range(key);
  return std::any_of(begin, end, [&](const auto& place) {
    const Entry& entry = place.second;
    return entry.state.load(std::memory_order_relaxed) != State::kDamaged &&
           (!made_by || entry.file->made_by() == *made_by);
  });
}

void SegmentStore::append(const Digest& key, std::span<const std::span<const std::byte>> parts) {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ == nullptr) throw std::logic_error("SegmentStore: opened to read, not to append");
  if (writer_->is_in_batch(key) || contains(key, made_by_)) return;
  writer_->append(key, parts);
  if (writer_->batch_bytes() >= kMostBatchBytes) commit_batch();
}

void SegmentStore::commit() {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ == nullptr) throw std::logic_error("SegmentStore: opened to read, not to commit");
  commit_batch();
}

void SegmentStore::commit_batch() {
  writer_->commit();
  refresh();
}

void SegmentStore::refresh() {
  const std::lock_guard scanning(files_mutex_);
  const auto listed = list_store_files(dir_);
  // Files that are gone, replaced by others, or cut: their records leave the index first. The maps
  // live as long as somebody holds a value of them.
  std::set<const StoreFile*> gone;
  for (const auto& [path, file] : files_) {
    const auto found = std::ranges::lower_bound(
        listed, path, {}, [](const auto& f) -> const auto& { return f.first; });
    if (found == listed.end() || found->first != path ||
        !file->status().is_same_file(found->second) ||
        found->second.size < std::min(file->end(), file->status().size))
      gone.insert(file.get());
  }
  if (!gone.empty()) {
    const std::unique_lock lock(index_mutex_);
    std::erase_if(index_, [&](const auto& place) { return gone.contains(place.second.file); });
  }
  std::erase_if(files_, [&](const auto& file) { return gone.contains(file.second.get()); });

  for (const auto& [path, status] : listed) {
    auto known = files_.find(path);
    if (known == files_.end()) {
      std::string fault;
      auto file = StoreFile::open(path, &fault);
      if (file == nullptr) {
        if (!fault.empty() && unusable_.insert(path).second) add_fault({path, 0, fault});
        continue;
      }
      known = files_.emplace(path, std::move(file)).first;
    } else if (known->second->end() >= status.size) {
      continue;  // nothing new
    }
    const std::vector<StoreFile::Record> records = known->second->read_new();
    const std::unique_lock lock(index_mutex_);
    for (const StoreFile::Record& record : records)
      index_.emplace(std::piecewise_construct, std::forward_as_tuple(record.key),
                     std::forward_as_tuple(known->second.get(), record));
  }
}

size_t SegmentStore::num_records() const {
  const std::shared_lock lock(index_mutex_);
  return index_.size();
}

std::vector<StoreFault> SegmentStore::faults() const {
  const std::lock_guard lock(faults_mutex_);
  return faults_;
}

}  // namespace lait
