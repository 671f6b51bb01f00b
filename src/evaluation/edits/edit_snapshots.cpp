#include "evaluation/edits/edit_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "io/error.h"
#include "io/files/atomic_directory.h"
#include "io/files/path.h"
#include "io/log.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Saving takes at most this share of the time of the edits.
constexpr double kShareOfSaving = 0.1;
constexpr const char* kFacts = "/facts.json";

std::string snapshot_name(size_t edits) { return fmt::format("{:06}", edits); }

// The numbers of edits of the snapshots in the folder, largest first.
std::vector<size_t> snapshots_in(const std::string& folder) {
  std::vector<size_t> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    size_t edits = 0;
    std::from_chars(name.data(), name.data() + name.size(), edits);
    if (name == snapshot_name(edits)) all.push_back(edits);
  }
  std::sort(all.rbegin(), all.rend());
  return all;
}

std::string part_file(const std::string& snapshot, size_t sequence, size_t part) {
  return fmt::format("{}/{}.{}.patch", snapshot, sequence, part + 1);
}

std::vector<MergedPatch> read_snapshot(const std::string& snapshot, size_t sequences) {
  std::vector<MergedPatch> edits(sequences);
  for (size_t i = 0; i < sequences; ++i) {
    std::vector<Patch> parts;
    for (auto file = part_file(snapshot, i, 0); path_exists(file);
         file = part_file(snapshot, i, parts.size()))
      parts.push_back(load_patch(file));
    if (!parts.empty()) edits[i] = MergedPatch::continued(parts);
  }
  return edits;
}

}  // namespace

size_t EditSnapshots::load(const std::vector<MergedPatch*>& sequences, size_t most,
                           nlohmann::json* facts) const {
  for (const auto edits : snapshots_in(folder_)) {
    if (edits > most) continue;
    const auto path = folder_ + "/" + snapshot_name(edits);
    try {
      if (facts) *facts = path_exists(path + kFacts) ? read_json(path + kFacts) : nlohmann::json();
      auto saved = read_snapshot(path, sequences.size());
      for (size_t i = 0; i < sequences.size(); ++i) *sequences[i] = std::move(saved[i]);
      return edits;
    } catch (const Error& error) {
      logger().warn("the edits in '{}' are made again: {}", path, error.what());
    }
  }
  return 0;
}

bool EditSnapshots::due(bool stopping) const {
  const auto enough = least_ > 0 ? std::max(least_, saving_ / kShareOfSaving) : 0;
  return unsaved_ > 0 && (stopping || unsaved_ >= enough);
}

void EditSnapshots::save(const std::vector<const MergedPatch*>& sequences, size_t edits,
                         const nlohmann::json& facts) {
  const auto begin = Clock::now();
  unsaved_ = 0;
  const auto older = snapshots_in(folder_);
  if (std::count(older.begin(), older.end(), edits) > 0) return;
  make_folders(folder_);
  AtomicDirectory snapshot(folder_ + "/" + snapshot_name(edits));
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i]->empty()) continue;
    const auto parts = sequences[i]->parts();
    if (parts.empty()) return;
    for (size_t p = 0; p < parts.size(); ++p)
      save_patch(part_file(snapshot.path(), i, p), parts[p]);
  }
  if (!facts.is_null()) write_json(snapshot.path() + kFacts, facts);
  snapshot.commit();
  std::error_code error;
  for (const auto other : older) fs::remove_all(folder_ + "/" + snapshot_name(other), error);
  saving_ = std::chrono::duration<double>(Clock::now() - begin).count();
}

void EditSnapshots::remove() const {
  std::error_code error;
  fs::remove_all(folder_, error);
}

}  // namespace emend
