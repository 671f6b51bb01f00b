#include "models/caching/activation_store.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "io/files/file.h"
#include "io/hash.h"
#include "io/log.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

StoreEntry sample(int64_t value = 1) {
  StoreEntry entry;
  entry.tensors["features"] = at::arange(60, at::kFloat).view({1, 12, 5}) + value;
  entry.tensors["hidden"] = at::arange(7, at::kFloat).to(at::kBFloat16) * value;
  entry.tensors["mask"] = at::tensor({1, 0, 1}, at::kLong).to(at::kBool);
  entry.tensors["ids"] = at::tensor({value, int64_t{-1}}, at::kLong);
  entry.tensors["none"] = at::empty({0, 3});
  entry.tensors["one"] = at::scalar_tensor(value, at::kDouble);
  entry.facts = {{"answer", "a \"red\" star"}, {"loss", 0.125}, {"value", value}};
  return entry;
}

// 4000 bytes of tensors.
StoreEntry block(int64_t value) {
  return {{{"x", at::full({1000}, value, at::kFloat)}}, {{"value", value}}};
}

::testing::AssertionResult same(const std::shared_ptr<const StoreEntry>& found,
                                const StoreEntry& expected) {
  if (!found) return ::testing::AssertionFailure() << "not found";
  if (found->facts != expected.facts) return ::testing::AssertionFailure() << found->facts;
  if (found->tensors.size() != expected.tensors.size())
    return ::testing::AssertionFailure() << found->tensors.size() << " tensors";
  for (const auto& [name, tensor] : expected.tensors) {
    const auto other = found->tensors.find(name);
    if (other == found->tensors.end() || other->second.scalar_type() != tensor.scalar_type() ||
        !at::equal(other->second, tensor))
      return ::testing::AssertionFailure() << name;
  }
  return ::testing::AssertionSuccess();
}

// Records log messages during its lifetime.
class Heard {
 public:
  Heard() : sink_(std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)) {
    sink_->set_pattern("%l: %v");
    logger().sinks().push_back(sink_);
  }
  ~Heard() { logger().sinks().pop_back(); }
  std::string text() const { return text_.str(); }
  int64_t warnings() const {
    int64_t count = 0;
    const auto all = text();
    for (auto at = all.find("warning:"); at != std::string::npos; at = all.find("warning:", at + 1))
      ++count;
    return count;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::sinks::sink> sink_;
};

class StoreTest : public ::testing::Test {
 protected:
  ActivationStore open(uint64_t memory = uint64_t{1} << 20,
                       uint64_t disk = uint64_t{1} << 20) const {
    return ActivationStore({memory, folder.path(), disk});
  }
  ActivationStore from_disk() const { return open(0); }
  std::string file(const std::string& key) const {
    return folder.file(hash_hex(key) + ".safetensors");
  }
  uint64_t on_disk() const {
    uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder.path())) bytes += entry.file_size();
    return bytes;
  }
  static void age(const std::string& path, int hours) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  TemporaryFolder folder;
};

TEST_F(StoreTest, FindsEntriesInMemory) {
  ActivationStore store({uint64_t{1} << 20, "", 0});
  EXPECT_EQ(store.find("a"), nullptr);
  EXPECT_TRUE(same(store.put("a", sample()), sample()));
  EXPECT_TRUE(same(store.find("a"), sample()));
  EXPECT_EQ(store.find("b"), nullptr);
  store.put("a", sample(2));
  EXPECT_TRUE(same(store.find("a"), sample(2)));
  const auto& counts = store.counts();
  EXPECT_EQ(counts.memory_hits, 2);
  EXPECT_EQ(counts.misses, 2);
  EXPECT_EQ(counts.disk_hits + counts.rejected + counts.evicted, 0);
  EXPECT_EQ(folder.listing(), "");
}

TEST_F(StoreTest, StoresCopiesWithoutGradients) {
  auto store = open();
  const auto whole = at::zeros({100, 4}).requires_grad_();
  auto view = (whole + 1).slice(0, 3, 5);
  store.put("a", {{{"x", view}}, {}});
  {
    at::NoGradGuard no_grad;
    view.fill_(9);
  }
  const auto kept = store.find("a")->tensors.at("x");
  EXPECT_TRUE(at::equal(kept, at::ones({2, 4})));
  EXPECT_FALSE(kept.requires_grad());
  EXPECT_EQ(kept.storage().nbytes(), kept.nbytes());
}

TEST_F(StoreTest, LaterStoresFindEntriesInTheFolder) {
  open().put("a", sample());
  auto later = open();
  const auto first = later.find("a");
  EXPECT_TRUE(same(first, sample()));
  EXPECT_EQ(later.find("a"), first);
  EXPECT_EQ(later.counts().disk_hits, 1);
  EXPECT_EQ(later.counts().memory_hits, 1);
  // The returned entry does not depend on the file.
  fs::resize_file(file("a"), 10);
  EXPECT_TRUE(same(first, sample()));
}

TEST_F(StoreTest, StoresShareAFolder) {
  auto one = open(), other = open();
  EXPECT_EQ(other.find("a"), nullptr);
  one.put("a", sample(1));
  EXPECT_TRUE(same(other.find("a"), sample(1)));
  other.put("b", sample(2));
  other.put("a", sample(3));
  EXPECT_TRUE(same(one.find("b"), sample(2)));
  EXPECT_TRUE(same(from_disk().find("a"), sample(3)));
  fs::remove_all(folder.path());  // another process removes the folder
  EXPECT_EQ(one.find("c"), nullptr);
  EXPECT_TRUE(same(one.find("a"), sample(1)));
}

// Simulates processes: each has its own store, and the folder is too small for all entries.
TEST_F(StoreTest, StoresUseAFolderConcurrently) {
  Heard heard;
  std::vector<int64_t> wrong(4, 0), found(4, 0), rejected(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      auto store = open(0, 150000);
      Mutator dice(t);
      for (int i = 0; i < 150; ++i) {
        const auto value = static_cast<int64_t>(dice.below(20));
        const auto key = std::to_string(value);
        if (const auto entry = store.find(key)) {
          ++found[t];
          wrong[t] += !same(entry, block(value));
        } else {
          store.put(key, block(value));
        }
      }
      rejected[t] = store.counts().rejected;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
  EXPECT_THAT(rejected, ::testing::Each(0));
  EXPECT_THAT(found, ::testing::Each(::testing::Gt(0)));
  EXPECT_EQ(heard.warnings(), 0) << heard.text();
  EXPECT_THAT(folder.listing(), Not(HasSubstr(".tmp")));
}

TEST_F(StoreTest, MemoryDropsLeastRecentlyUsedEntries) {
  ActivationStore store({13000, "", 0});
  for (int i = 0; i < 3; ++i) store.put(std::to_string(i), block(i));
  EXPECT_NE(store.find("0"), nullptr);
  EXPECT_EQ(store.counts().evicted, 0);
  store.put("3", block(3));
  EXPECT_EQ(store.counts().evicted, 1);
  EXPECT_EQ(store.find("1"), nullptr);
  for (const char* key : {"0", "2", "3"}) EXPECT_NE(store.find(key), nullptr) << key;
  EXPECT_GT(store.counts().memory_bytes, 12000u);
  EXPECT_LE(store.counts().memory_bytes, 13000u);
}

TEST_F(StoreTest, LargeEntriesAreStoredInTheFolder) {
  auto store = open(1000);
  EXPECT_TRUE(same(store.put("a", block(1)), block(1)));
  EXPECT_EQ(store.counts().memory_bytes, 0u);
  EXPECT_TRUE(same(store.find("a"), block(1)));
  EXPECT_EQ(store.counts().disk_hits, 1);
}

TEST_F(StoreTest, FolderKeepsItsBudget) {
  write_file(folder.file("notes.txt"), "somebody else's");
  const uint64_t budget = 80000;
  auto store = open(0, budget);
  for (int i = 0; i < 40; ++i) {
    store.put(std::to_string(i), block(i));
    age(file(std::to_string(i)), 100 - i);
    EXPECT_NE(store.find("0"), nullptr) << i;  // recently used, so not removed
    EXPECT_LE(on_disk(), budget);
  }
  EXPECT_GT(on_disk(), budget / 2);
  EXPECT_NE(store.find("39"), nullptr);
  EXPECT_EQ(store.find("1"), nullptr);
  EXPECT_TRUE(fs::exists(folder.file("notes.txt")));
  store.put("large", {{{"x", at::zeros({30000})}}, {}});
  EXPECT_FALSE(fs::exists(file("large")));
  EXPECT_NE(store.find("39"), nullptr);
}

TEST_F(StoreTest, BudgetIncludesFilesOfOtherProcesses) {
  {
    auto before = open(0);
    for (int i = 0; i < 20; ++i) {
      before.put(std::to_string(i), block(i));
      age(file(std::to_string(i)), 100 - i);
    }
  }
  const auto killed = file("19") + ".123-0.tmp", at_work = file("18") + ".124-0.tmp";
  write_file(killed, "half");
  age(killed, 2);
  write_file(at_work, "half");
  auto store = open(0, 30000);
  store.put("new", block(77));
  EXPECT_LE(on_disk(), 30000u);
  EXPECT_TRUE(same(store.find("new"), block(77)));
  EXPECT_TRUE(fs::exists(file("19")));
  EXPECT_FALSE(fs::exists(file("0")));
  EXPECT_FALSE(fs::exists(killed));
  EXPECT_TRUE(fs::exists(at_work));
}

TEST_F(StoreTest, RejectsDamagedEntries) {
  open().put("a", sample());
  open().put("b", sample(2));
  const auto good = read_file(file("a"));
  const auto rejects = [&](const char* what) {
    auto store = from_disk();
    EXPECT_EQ(store.find("a"), nullptr) << what;
    EXPECT_EQ(store.counts().rejected, 1) << what;
    EXPECT_EQ(store.counts().misses, 1) << what;
    EXPECT_EQ(store.counts().disk_hits, 0) << what;
  };
  write_file(file("a"), "");
  rejects("empty");
  write_file(file("a"), good.substr(0, good.size() - 1));
  rejects("truncated");
  write_file(file("a"), read_file(file("b")));
  rejects("with another key");
  auto flipped = good;
  flipped.back() ^= 1;
  write_file(file("a"), flipped);
  rejects("a bit of a tensor");
  auto lie = good;
  lie.replace(lie.find("0.125"), 5, "0.250");
  write_file(file("a"), lie);
  rejects("a fact");
  auto renamed = good;
  renamed.replace(renamed.find("\"hidden\""), 8, "\"hiddem\"");
  write_file(file("a"), renamed);
  rejects("a tensor's name");
  auto dtype = good;
  dtype.replace(dtype.find("BF16"), 4, "F16 ").replace(dtype.find("\"F16 \""), 6, " \"F16\"");
  write_file(file("a"), dtype);
  rejects("a dtype");
  write_safetensors(file("a"), {{"x", at::ones({2})}}, {{"key", "a"}, {"facts", "null"}});
  rejects("without a checksum");
  fs::remove(file("a"));
  fs::create_directory(file("a"));
  rejects("a folder");
  fs::remove(file("a"));

  auto store = from_disk();
  write_file(file("a"), flipped);
  EXPECT_EQ(store.find("a"), nullptr);
  store.put("a", sample());
  EXPECT_TRUE(same(store.find("a"), sample()));
  EXPECT_EQ(read_file(file("a")), good);
}

TEST_F(StoreTest, MutatedFilesAreRejectedOrEqual) {
  std::vector<std::string> files;
  for (const char* key : {"a", "b"}) {
    open().put(key, sample(key[0]));
    files.push_back(read_file(file(key)));
  }
  auto store = from_disk();
  int64_t damaged = 0;
  const auto told = fuzz(files, 1500, 11, [&](const std::string& bytes) {
    std::ofstream(file("a"), std::ios::binary) << bytes;
    damaged += bytes != files[0];
    if (const auto found = store.find("a"))
      if (!same(found, sample('a'))) throw std::runtime_error("trusted what was damaged");
  });
  EXPECT_EQ(told, "");
  EXPECT_GT(damaged, 1000);
  // Spaces in the header are not damage.
  EXPECT_GT(store.counts().rejected, damaged * 9 / 10);
}

TEST_F(StoreTest, FullDiskLogsOneWarning) {
  Heard heard;
  auto store = open();
  {
    FullDisk full(2000);
    for (int i = 0; i < 3; ++i) store.put(std::to_string(i), block(i));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(same(store.find(std::to_string(i)), block(i)));
  }
  EXPECT_EQ(heard.warnings(), 1) << heard.text();
  EXPECT_THAT(heard.text(), HasSubstr(folder.path()));
  EXPECT_EQ(folder.listing(), "");
}

TEST_F(StoreTest, UnusableFolderLogsOneWarning) {
  write_file(folder.file("taken"), "");
  Heard heard;
  for (const char* path : {"taken", "taken/below"}) {
    ActivationStore store({uint64_t{1} << 20, folder.file(path), uint64_t{1} << 20});
    store.put("a", sample());
    store.put("b", sample());
    EXPECT_TRUE(same(store.find("a"), sample()));
    EXPECT_EQ(store.find("c"), nullptr);
  }
  EXPECT_EQ(heard.warnings(), 2) << heard.text();
}

TEST_F(StoreTest, InvalidUtf8StaysInMemory) {
  Heard heard;
  auto store = open();
  StoreEntry odd{{}, {{"answer", "\xff\xfe"}}};
  store.put("a", odd);
  EXPECT_TRUE(same(store.find("a"), odd));
  EXPECT_EQ(from_disk().find("a"), nullptr);
  store.put("b", sample());
  EXPECT_TRUE(same(from_disk().find("b"), sample()));
  EXPECT_EQ(heard.warnings(), 0) << heard.text();
}

TEST_F(StoreTest, RejectsUndefinedTensors) {
  auto store = open();
  EXPECT_ANY_THROW(store.put("a", {{{"x", at::Tensor()}}, {}}));
  EXPECT_EQ(store.find("a"), nullptr);
}

}  // namespace
}  // namespace emend
