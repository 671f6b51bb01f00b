#include "io/files/leftovers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

namespace emend {
namespace {

namespace fs = std::filesystem;

struct TemporaryName {
  std::string_view of;
  pid_t process;
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Matches NAME.PID-N.tmp and NAME.PID.tmp.
std::optional<TemporaryName> parse(std::string_view name) {
  constexpr std::string_view kSuffix = ".tmp";
  if (name.size() < kSuffix.size() || name.substr(name.size() - kSuffix.size()) != kSuffix)
    return std::nullopt;
  name.remove_suffix(kSuffix.size());
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  const auto numbers = name.substr(dot + 1);
  const auto dash = numbers.find('-');
  const auto process = numbers.substr(0, dash);
  if (!is_number(process)) return std::nullopt;
  if (dash != std::string_view::npos && !is_number(numbers.substr(dash + 1))) return std::nullopt;
  pid_t id = 0;
  const auto [end, error] = std::from_chars(process.data(), process.data() + process.size(), id);
  if (error != std::errc() || id <= 0) return std::nullopt;
  return TemporaryName{name.substr(0, dot), id};
}

// An earlier process may have had the ID of this one, for example in a container. Then the lock
// decides.
bool is_dead(pid_t process) {
  return process == ::getpid() || (::kill(process, 0) != 0 && errno == ESRCH);
}

void remove_unlocked(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (descriptor < 0) return;
  std::error_code ignored;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, ignored);
  ::close(descriptor);
}

// Temporary files, by the name of the file that they were written for.
using Leftovers = std::multimap<std::string, fs::path, std::less<>>;

Leftovers leftovers_in(const fs::path& folder) {
  Leftovers found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    const auto temporary = parse(name);
    if (temporary && is_dead(temporary->process)) found.emplace(temporary->of, at->path());
  }
  return found;
}

}  // namespace

void remove_leftovers(const std::string& path) {
  static std::mutex mutex;
  static std::map<fs::path, Leftovers> seen;
  const fs::path own(path);
  const auto folder = own.has_parent_path() ? own.parent_path() : fs::path(".");
  const std::lock_guard lock(mutex);
  auto place = seen.find(folder);
  if (place == seen.end()) place = seen.emplace(folder, leftovers_in(folder)).first;
  const auto [begin, end] = place->second.equal_range(own.filename().string());
  std::for_each(begin, end, [](const auto& leftover) { remove_unlocked(leftover.second); });
  place->second.erase(begin, end);
}

}  // namespace emend
