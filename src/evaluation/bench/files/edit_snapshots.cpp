#include "evaluation/bench/files/edit_snapshots.h"

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

std::string part_file(const std::string& snapshot, size_t candidate, size_t part) {
  return fmt::format("{}/{}.{}.patch", snapshot, candidate, part + 1);
}

std::vector<MergedPatch> read_snapshot(const std::string& snapshot, size_t candidates) {
  std::vector<MergedPatch> edits(candidates);
  for (size_t c = 0; c < candidates; ++c) {
    std::vector<Patch> parts;
    for (auto file = part_file(snapshot, c, 0); path_exists(file);
         file = part_file(snapshot, c, parts.size()))
      parts.push_back(load_patch(file));
    if (!parts.empty()) edits[c] = MergedPatch::continued(parts);
  }
  return edits;
}

}  // namespace

size_t EditSnapshots::load(std::vector<Candidate>& candidates, size_t most) const {
  for (const auto edits : snapshots_in(folder_)) {
    if (edits > most) continue;
    const auto path = folder_ + "/" + snapshot_name(edits);
    try {
      auto saved = read_snapshot(path, candidates.size());
      for (size_t c = 0; c < candidates.size(); ++c) candidates[c].edits = std::move(saved[c]);
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

void EditSnapshots::save(const std::vector<Candidate>& candidates, size_t edits) {
  const auto begin = Clock::now();
  unsaved_ = 0;
  const auto older = snapshots_in(folder_);
  if (std::count(older.begin(), older.end(), edits) > 0) return;
  make_folders(folder_);
  AtomicDirectory snapshot(folder_ + "/" + snapshot_name(edits));
  for (size_t c = 0; c < candidates.size(); ++c) {
    if (candidates[c].edits.empty()) continue;
    const auto parts = candidates[c].edits.parts();
    if (parts.empty()) return;
    for (size_t p = 0; p < parts.size(); ++p)
      save_patch(part_file(snapshot.path(), c, p), parts[p]);
  }
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
