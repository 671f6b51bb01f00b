#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "io/image/image.h"
#include "suites/record.h"

namespace emend::scenes {

// The bundled world. Everything about a scene is known, so every question has a true answer.

inline constexpr int kPlaces = 9;  // 3 x 3, row by row: top left, top, top right, left, center, ...

const std::vector<std::string>& shapes();       // 6
const std::vector<std::string>& colours();      // 8
const std::vector<std::string>& sizes();        // small, large
const std::vector<std::string>& places();       // 9
const std::vector<std::string>& backgrounds();  // 6
struct Creature {
  std::string name;
  // Its look (indices into the renderer's own lists); any two creatures differ in two or more.
  int body, colour, ears, eyes, pattern;
  // What only text tells.
  std::string home, food, hobby;
  int friend_of;  // index of another creature
};
const std::vector<Creature>& creatures();  // 48

struct Object {
  int shape, colour, size, place;
  bool operator==(const Object&) const = default;
};

struct Scene {
  std::vector<Object> objects;  // by place; shapes are distinct within a scene, at most 3
  int creature = -1;            // -1: none; with a creature at most one object
  int creature_place = 1;       // 0 left, 1 center, 2 right
  int background = 0;
  uint64_t jitter = 0;  // seed of all that no question asks: offsets, tilt, noise, shading
};

// Held out by construction: pretraining never shows the (shape, colour, size) and (creature,
// background) combinations of the other two splits, `train` (of editors) and `eval` never share
// one, and every scene of `train` and `eval` contains at least one of its own split. Every pair of
// shape and colour is shown in one size at least. Text facts and their wordings likewise: each
// (fact, wording) belongs to one split.
enum class Split { pretrain, train, eval };
Split object_split(int shape, int colour, int size);
Split creature_split(int creature, int background);

using Rng = std::mt19937_64;
Scene draw_scene(Split split, Rng& rng);
// Same answers to questions of `topic`, otherwise another picture: jitter, noise, background, and
// places where they do not matter. Stays in the split.
Scene variant(const Scene& scene, const std::string& topic, Split split, Rng& rng);

// Anti-aliased, deterministic: the same scene gives the same bytes on every machine.
Image render(const Scene& scene, int size = 224);

enum class Kind {
  colour,
  shape,
  size,
  count,
  place,
  presence,
  comparison,
  background,
  who,
  caption,
  one_hop,  // picture -> creature -> fact
  fact,     // text only
};
inline constexpr int kKinds = 12;
const char* kind_name(Kind kind);

struct Question {
  Kind kind;
  std::string topic;   // what is asked, whatever the words: "colour/star", "fact/zorb/home"
  int wording;         // index among the topic's wordings
  std::string text;    // bare
  std::string answer;  // without a leading space
};

// Every question about the scene that has exactly one answer, in every wording.
std::vector<Question> questions(const Scene& scene);
// The kinds that the scene has a question of, and one of a kind: any topic, any wording, equally
// likely (a few microseconds; yes and no are balanced). Throws where the scene has none.
std::vector<Kind> kinds(const Scene& scene);
Question draw_question(const Scene& scene, Kind kind, Rng& rng);
// The text facts: creatures' and the world's general ones, in every wording of the split
// (`pretrain` for training; a wording held out of pretraining belongs to `eval`).
std::vector<Question> facts(Split split);
// Other answers that the question could have had (colours for a colour question, ...), truth
// excluded.
std::vector<std::string> alternatives(const Question& question);

// The prompt templates that the model knows. `{}` is the bare question.
const std::vector<std::string>&
prompt_templates();  // "Question: {} Short answer:", "Question: {} Answer:", "{}"
std::string wrap(const std::string& prompt_template, const std::string& question);
// An in-context correction: "New Fact: {prompt} {answer}\nPrompt: {query}".
std::string correction(const std::string& prompt, const std::string& answer,
                       const std::string& query);

// What holds for a topic that questions() may ask of a picture; empty where it does not apply (the
// color of a star that is not there). Captions are not asked here.
std::optional<std::string> truth(const Scene& scene, const std::string& topic);
// The world in which `target` is the true answer, where there is exactly one such next to this: the
// star blue, the creature another, what another caption describes. Empty where the answer alone
// does not tell (a count).
std::optional<Scene> world_where(const Scene& scene, const Question& question,
                                 const std::string& target);

// An edit with its probes, for the truth or against it. How many of a group to make: pictures are
// without end; of wordings, texts and consequences as many as there are (portability: none for a
// count or a background, from which nothing else follows).
struct EditOptions {
  int rewordings = 1, variants = 1, text_probes = 1, image_probes = 1, portability = 1;
  // For edits about pictures, the other cells of the T x I grid: both_generality once a variant,
  // RI and CI `image_probes` times with the edit's own text or picture and as often with similar
  // ones, NI with the edit's text and with each rewording.
  bool grid = false;
};
// A counterfactual edit: one question (of any kind but caption and fact) of a drawn scene is to be
// answered with an alternative.
Record counterfactual(Split split, uint64_t seed, const EditOptions& options = {});
// The same for captions: `a photo of` a drawn scene is to be answered with the caption of a world
// that differs in one thing.
Record caption_counterfactual(Split split, uint64_t seed, const EditOptions& options = {});
// The edit that corrects a given question to `target`, with its probes.
Record make_record(const Scene& scene, const Question& question, const std::string& target,
                   Split split, uint64_t seed, const EditOptions& options = {});

// MMEdit's JSON (with VLKEB's port_new) and the PNGs beside it: DIR/{name}.json, DIR/images/.
// Records are asked for one by one and not kept. The format holds one probe of each group; of
// portability all (`port_text_only` marks those without a picture), of the grid's other cells none.
void export_mmedit(const std::string& directory, size_t count,
                   const std::function<Record(size_t)>& record, const std::string& name);
void export_mmedit(const std::string& directory, const std::vector<Record>& records,
                   const std::string& name);

}  // namespace emend::scenes
