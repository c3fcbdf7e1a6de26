#include "lait/predict/value_store.h"

#include <algorithm>
#include <utility>

namespace lait {

ValueStore::ValueStore(const Model& model, const Tokenizer& tokenizer, const ValuePlan& plan,
                       StoreUse use)
    : use_(std::move(use)), on_overflow_(model->spec.on_overflow), made_here_(made_here(model)) {
  rekey(model, tokenizer, plan);
}

void ValueStore::rekey(const Model& model, const Tokenizer& tokenizer, const ValuePlan& plan) {
  const bool one_kind = plan.others.kind == plan.first.kind;
  if (!use_.store) {
    others_.low = one_kind ? 0 : 1;
    return;
  }
  first_ = fingerprint(model, tokenizer, plan, plan.first);
  others_ = one_kind ? first_ : fingerprint(model, tokenizer, plan, plan.others);
}

Digest ValueStore::key(const Digest& text, bool is_first) const {
  const Digest& made_with = is_first ? first_ : others_;
  ContentHash hash;
  hash.add(&made_with, sizeof(made_with));
  hash.add(&text, sizeof(text));
  return hash.digest();
}

std::shared_ptr<const SegmentValue> ValueStore::find(const Digest& key, const ValueFormat& format) {
  if (!use_.store) return nullptr;
  const auto stored = use_.store->find(key, made_here_);
  if (!stored) return nullptr;
  const bool is_ours = stored->made_by == made_here_;
  if (!is_ours && use_.exact) return nullptr;
  const auto value = read_value(format, {stored->owner, stored->bytes});
  if (!value || (value->truncated && on_overflow_ == OnOverflow::kError)) return nullptr;
  if (!is_ours && std::ranges::find(other_makers_, stored->made_by) == other_makers_.end())
    other_makers_.emplace_back(stored->made_by);
  return std::make_shared<const SegmentValue>(*value);
}

bool ValueStore::contains(const Digest& key) const {
  if (!use_.store) return false;
  return use_.exact ? use_.store->contains(key, made_here_) : use_.store->contains(key);
}

void ValueStore::append(const Digest& key, const ValueBytes& value) {
  if (!writes()) return;
  use_.store->append(key, {value.bytes});
  has_added_ = true;
}

void ValueStore::commit() {
  if (!has_added_) return;
  has_added_ = false;
  use_.store->commit();
}

void ValueStore::stop_writing() {
  use_.read_only = true;
  has_added_ = false;
}

void ValueStore::refresh() {
  if (use_.store) use_.store->refresh();
}

}  // namespace lait
