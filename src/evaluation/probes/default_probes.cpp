#include "evaluation/probes/default_probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "evaluation/probes/default_photos.h"
#include "evaluation/probes/scenes_probes.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

using nlohmann::json;

Picture photo(const std::string& name) {
  for (size_t i = 0; i < kDefaultPhotosCount; ++i) {
    const auto& file = kDefaultPhotos[i];
    if (file.name == name)
      return {"photos/" + name,
              std::make_shared<const Image>(decode_image(file.bytes, file.size, name))};
  }
  throw Error("evaluation::default_probes",
              fmt::format("the program does not contain the photo '{}'", name),
              "build the program again");
}

// The shuffled questions without the related ones.
std::vector<json> drawn(const char* list, std::mt19937_64& rng,
                        const std::set<std::string>& related) {
  auto all = json::parse(list).get<std::vector<json>>();
  std::shuffle(all.begin(), all.end(), rng);
  std::erase_if(
      all, [&](const json& one) { return related.count(one.at("prompt").get<std::string>()) > 0; });
  return all;
}

void general_locality(int texts, int pictures, uint64_t seed, const std::set<std::string>& related,
                      const TakeProbe& take) {
  std::mt19937_64 rng(seed);
  auto add = [&](const char* list, int most, Group group) {
    std::map<std::string, Picture> photos;
    for (const auto& one : drawn(list, rng, related)) {
      if (most-- <= 0) break;
      Probe probe{
          group, {}, one.at("prompt").get<std::string>(), one.at("answer").get<std::string>()};
      if (one.contains("image")) {
        const auto name = one.at("image").get<std::string>();
        auto& picture = photos[name];
        if (!picture.present()) picture = photo(name);
        probe.image = picture;
      }
      take(std::move(probe));
    }
  };
  add(kDefaultQuestions, texts, Group::text_locality);
  add(kDefaultPhotoQuestions, pictures, Group::image_locality);
}

}  // namespace

ProbeWorld probe_world(const std::string& folder) {
  const auto path = (std::filesystem::path(folder) / "emend.json").string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return ProbeWorld::general;
  const auto said = read_json(path);
  if (said == json{{"default_probes", "scenes"}}) return ProbeWorld::scenes;
  if (said == json{{"default_probes", "general"}}) return ProbeWorld::general;
  throw Error("evaluation::default_probes",
              fmt::format("'{}' does not select the model's default probes", path),
              "write {\"default_probes\": \"general\"}, or remove the file");
}

void each_unrelated_probe(const DefaultProbes& probes, uint64_t seed,
                          const std::set<std::string>& related, const TakeProbe& take) {
  const auto make = probes.world == ProbeWorld::scenes ? scenes_locality : general_locality;
  make(probes.texts, probes.pictures, seed, related, take);
}

std::vector<Probe> unrelated_probes(const DefaultProbes& probes, uint64_t seed,
                                    const std::set<std::string>& related) {
  std::vector<Probe> all;
  each_unrelated_probe(probes, seed, related,
                       [&](Probe probe) { all.push_back(std::move(probe)); });
  return all;
}

std::vector<std::string> other_wordings(ProbeWorld world, const std::string& question) {
  return world == ProbeWorld::scenes ? other_wordings(question) : std::vector<std::string>();
}

std::string texts_of(ProbeWorld world) {
  return world == ProbeWorld::scenes ? "unrelated facts of Scenes, text only"
                                     : "general questions, text only";
}

std::string pictures_of(ProbeWorld world) {
  return world == ProbeWorld::scenes ? "unrelated pictures of Scenes" : "photos of other things";
}

}  // namespace emend
