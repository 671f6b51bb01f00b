#include "evaluation/edits/sequence/edit_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "io/error.h"
#include "io/files/atomic_directory.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/log.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Saving takes at most this share of the time of the edits.
constexpr double kShareOfSaving = 0.1;
constexpr const char* kIndex = "/index.json";

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

// The parts of each sequence, whose ids must be those of the list.
std::vector<MergedPatch> read_parts(const std::string& snapshot, const nlohmann::json& ids) {
  std::vector<MergedPatch> edits;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::vector<Patch> parts;
    for (const auto& id : ids.at(i)) {
      const auto file = part_file(snapshot, i, parts.size());
      parts.push_back(load_patch(file));
      if (parts.back().id != id)
        throw Error("evaluation::edit_snapshots", fmt::format("'{}' is another patch", file),
                    "remove the folder");
    }
    edits.push_back(parts.empty() ? MergedPatch() : MergedPatch::continued(parts));
  }
  return edits;
}

}  // namespace

size_t EditSnapshots::load(const std::vector<MergedPatch*>& sequences, size_t most,
                           nlohmann::json* facts) {
  for (const auto edits : snapshots_in(folder_)) {
    if (edits > most) continue;
    const auto path = folder_ + "/" + snapshot_name(edits);
    std::string problem;
    try {
      const auto index = read_json(path + kIndex);
      auto saved = read_parts(path, index.at("ids"));
      if (facts) *facts = index.at("facts");
      if (saved.size() == sequences.size()) {
        for (size_t i = 0; i < sequences.size(); ++i) *sequences[i] = std::move(saved[i]);
        return saved_ = edits;
      }
      problem = "it has another number of editors";
    } catch (const Error& error) {
      problem = error.what();
    } catch (const nlohmann::json::exception&) {
      problem = fmt::format("'{}' is damaged", path + kIndex);
    }
    logger().warn("the edits in '{}' are made again: {}", path, problem);
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
  if (edits == saved_) return;
  auto older = snapshots_in(folder_);
  make_folders(folder_);
  std::error_code error;
  if (std::erase(older, edits) > 0) fs::remove_all(folder_ + "/" + snapshot_name(edits), error);
  AtomicDirectory snapshot(folder_ + "/" + snapshot_name(edits));
  nlohmann::json index = {{"ids", nlohmann::json::array()}, {"facts", facts}};
  for (size_t i = 0; i < sequences.size(); ++i) {
    auto ids = nlohmann::json::array();
    if (!sequences[i]->empty()) {
      const auto parts = sequences[i]->parts();
      if (parts.empty()) return;
      for (size_t p = 0; p < parts.size(); ++p) {
        save_patch(part_file(snapshot.path(), i, p), parts[p]);
        ids.push_back(parts[p].id);
      }
    }
    index["ids"].push_back(std::move(ids));
  }
  write_json(snapshot.path() + kIndex, index);
  snapshot.commit();
  saved_ = edits;
  for (const auto other : older) fs::remove_all(folder_ + "/" + snapshot_name(other), error);
  saving_ = std::chrono::duration<double>(Clock::now() - begin).count();
}

void EditSnapshots::remove() const {
  std::error_code error;
  for (const auto edits : snapshots_in(folder_))
    fs::remove_all(folder_ + "/" + snapshot_name(edits), error);
  if (!fs::is_symlink(folder_, error)) fs::remove(folder_, error);  // only an empty folder
}

}  // namespace emend
