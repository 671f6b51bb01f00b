#include "evaluation/report/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluation/bench/published.h"
#include "evaluation/protocol/protocol.h"
#include "evaluation/report/words.h"

namespace emend {
namespace {

using nlohmann::json;

// Two digits, but 99.996 is not rounded to 100.
std::string percent(double share) {
  auto text = fmt::format("{:.2f}", 100 * share);
  return text == "100.00" && share < 1 - 1e-12 ? "99.99" : text;
}

std::string cell_text(const json& value) {
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump();
}

// The score of a group, or one that compares probabilities.
template <class Key>
std::string cell(const std::map<Key, GroupScore>& scores, const Key& key, const char* before,
                 const char* none, const char* after = "") {
  const auto found = scores.find(key);
  if (found == scores.end()) return none;
  auto text = percent(found->second.score);
  if (found->second.error) text += before + percent(*found->second.error) + after;
  return text;
}

// A published figure.
template <class Key>
std::string cell(const std::map<Key, double>& percents, const Key& key, const char* none) {
  const auto found = percents.find(key);
  return found == percents.end() ? none : fmt::format("{:.2f}", found->second);
}

std::string md(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else if (c == '\n' || c == '\r') {
      escaped += ' ';
    } else {
      if (std::string_view("\\`*_[]|~#").find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string md_row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

void md_block(const Block& block, std::string& out) {
  out += fmt::format("## {}\n\n", md(block_title(block)));
  for (const auto& fact : facts_of(block))
    out += fmt::format("- **{}**: {}\n", fact.name, md(fact.text));
  out += "- **Protocol**: ";
  std::vector<std::string> choices;
  for (const auto& fact : protocol_facts(block.first().config["protocol"]))
    choices.push_back(md(fact.name + ": " + fact.text));
  out += fmt::format("{}\n\n", fmt::join(choices, "; "));

  auto groups = table_groups(block);
  std::vector<std::string> head = {"Method"}, line = {"---"};
  for (auto group : groups) head.push_back(group_title(group)), line.push_back("---:");
  const auto preferences = table_preferences(block);
  for (const auto& info : preferences) head.push_back(info.title), line.push_back("---:");
  out += md_row(head) + md_row(line);
  for (const auto& method : block.methods) {
    std::vector<std::string> cells = {md(method.title)};
    for (auto group : groups) cells.push_back(cell(method.mean.groups, group, " ± ", "-"));
    for (const auto& info : preferences)
      cells.push_back(cell<std::string>(method.mean.preferences, info.name, " ± ", "-"));
    out += md_row(cells);
  }
  std::string notes;
  for (const auto& table : published_tables(block.first().suite, block.first().mode)) {
    if (!table.rows.empty()) {
      std::vector<std::string> title(head.size());
      title[0] = fmt::format("**Published** ({})", md(table.title));
      out += md_row(title);
    }
    for (const auto& row : table.rows) {
      std::vector<std::string> cells = {
          fmt::format("*{}, {}* ({})", md(row.editor), md(row.model), md(row.source))};
      for (auto group : groups) cells.push_back(cell(row.percent, group, "-"));
      for (const auto& info : preferences)
        cells.push_back(cell<std::string>(row.preferences, info.name, "-"));
      out += md_row(cells);
    }
    notes += fmt::format(" Published, {}: {}", md(table.title), md(table.note));
  }
  out += fmt::format("\nPercent. {}{}\n\n", error_sentence(block), notes);
}

std::string tex(const std::string& text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
      uint32_t code = c & (0x3f >> more);
      for (; more > 0 && i + 1 < text.size(); --more)
        code = code << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f);
      escaped += fmt::format("[U+{:04X}]", code);
    } else if (std::string_view("&%$#_{}").find(text[i]) != std::string_view::npos) {
      escaped += fmt::format("\\{}", text[i]);
    } else if (c == '\\') {
      escaped += "\\textbackslash{}";
    } else if (c == '~' || c == '^') {
      escaped += fmt::format("\\{}{{}}", text[i]);
    } else if (c == '<' || c == '>') {
      escaped += fmt::format("${}$", text[i]);
    } else if (c == '|') {
      escaped += "\\textbar{}";
    } else if (c == '"') {
      escaped += "''";
    } else {
      escaped += c < 0x20 || c == 0x7f ? ' ' : text[i];
    }
  }
  return escaped;
}

// Reliability -> Rel., T-Generality -> T-Gen., because columns of a paper are narrow.
std::string short_title(Group group) {
  std::string title = group_title(group);
  auto hyphen = title.find('-');
  size_t letters = hyphen == title.npos ? (group == Group::portability ? 4 : 3) : hyphen + 4;
  return title.substr(0, letters) + ".";
}

void tex_block(const Block& block, std::string& out) {
  auto groups = table_groups(block);
  const auto preferences = table_preferences(block);
  const auto columns = groups.size() + preferences.size();
  out += "\\begin{table}\n\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}\n";
  out += fmt::format("\\begin{{tabular}}{{l{}}}\n\\toprule\nMethod", std::string(columns, 'r'));
  for (auto group : groups) out += fmt::format(" & {}", short_title(group));
  for (const auto& info : preferences) out += fmt::format(" & {}", info.title);
  out += " \\\\\n\\midrule\n";
  for (const auto& method : block.methods) {
    out += tex(method.title);
    for (auto group : groups)
      out += " & " + cell(method.mean.groups, group, "\\,{\\tiny$\\pm$", "--", "}");
    for (const auto& info : preferences)
      out += " & " +
             cell<std::string>(method.mean.preferences, info.name, "\\,{\\tiny$\\pm$", "--", "}");
    out += " \\\\\n";
  }
  std::string sources;
  for (const auto& table : published_tables(block.first().suite, block.first().mode)) {
    if (!table.rows.empty())
      out += fmt::format("\\midrule\n\\multicolumn{{{}}}{{l}}{{\\emph{{Published: {}}}}} \\\\\n",
                         columns + 1, tex(table.title));
    std::vector<std::string> seen;
    for (const auto& row : table.rows) {
      // A model that is named in the title is not repeated in the rows.
      bool named = table.title.find(row.model) != std::string::npos;
      out += fmt::format("\\emph{{{}{}}}", tex(row.editor), named ? "" : ", " + tex(row.model));
      for (auto group : groups) out += " & " + cell(row.percent, group, "--");
      for (const auto& info : preferences)
        out += " & " + cell<std::string>(row.preferences, info.name, "--");
      out += " \\\\\n";
      bool told = std::any_of(seen.begin(), seen.end(), [&](const std::string& source) {
        return source.starts_with(row.source);
      });
      if (!told) {
        // "Table 2 (and more)" includes "Table 2".
        std::erase_if(seen, [&](const auto& source) { return row.source.starts_with(source); });
        seen.push_back(row.source);
      }
    }
    for (auto& source : seen) source = tex(source);
    sources += fmt::format(" Published, {}: {}{}{}", tex(table.title), fmt::join(seen, "; "),
                           seen.empty() ? "" : ". ", tex(table.note));
  }
  auto errors = error_sentence(block).substr(std::string("±").size());
  out += fmt::format(
      "\\bottomrule\n\\end{{tabular}}\n\\caption{{{}, model {} ({}), percent. "
      "$\\pm${}{}}}\n\\end{{table}}\n",
      tex(block_title(block)),
      tex(cell_text(block.first().config["model"].value("folder", json("unnamed")))),
      tex(block.first().fingerprint), tex(errors), sources);
}

// Spreadsheets read a cell that begins like this as a formula. An apostrophe makes it text. Numbers
// are kept.
std::string as_text(const std::string& cell) {
  if (cell.empty() || std::string_view("=+-@\t\r").find(cell[0]) == std::string_view::npos)
    return cell;
  const bool is_number = json::accept(cell) && json::parse(cell).is_number();
  return is_number ? cell : "'" + cell;
}

std::string csv(const std::string& cell) {
  const auto text = as_text(cell);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string csv_row(std::vector<std::string> cells) {
  for (auto& one : cells) one = csv(one);
  return fmt::format("{}\r\n", fmt::join(cells, ","));
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

// The first columns of both CSV files, which identify a block.
std::vector<std::string> block_cells(const Block& block) {
  const auto& run = block.first();
  return {run.suite,
          cell_text(run.config["suite"].value("split", json())),
          cell_text(run.config["protocol"]["name"]),
          run.mode,
          cell_text(run.config["model"].value("folder", json())),
          run.fingerprint};
}
const std::vector<std::string> kBlockColumns = {"suite", "split", "protocol",
                                                "mode",  "model", "fingerprint"};

// The names of the scores that compare probabilities, of all blocks.
std::vector<std::string> csv_preferences(const Merged& merged) {
  std::vector<std::string> names;
  for (const auto& info : preference_infos())
    if (std::any_of(merged.blocks.begin(), merged.blocks.end(), [&](const Block& block) {
          const auto own = table_preferences(block);
          return std::any_of(own.begin(), own.end(), [&](const PreferenceInfo& other) {
            return other.group == info.group;
          });
        }))
      names.push_back(info.name);
  return names;
}

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

std::string table_md(const Merged& merged) {
  std::string out = "# Results\n\n";
  for (const auto& warning : merged.warnings) out += fmt::format("> Warning: {}\n\n", md(warning));
  for (const auto& block : merged.blocks) md_block(block, out);
  return out;
}

std::string table_tex(const Merged& merged) {
  std::string out = "% Needs \\usepackage{booktabs}.\n";
  for (const auto& block : merged.blocks) tex_block(block, out);
  return out;
}

std::string table_csv(const Merged& merged) {
  auto out = csv_row(joined(
      {"run", "seed"}, joined(kBlockColumns, {"editor", "settings", "group", "score", "stderr",
                                              "generated", "vqa", "probes", "records", "failed"})));
  for (const auto& block : merged.blocks)
    for (const auto* run : block.runs)
      for (const auto& editor : run->editors) {
        const auto add = [&](const std::string& name, const GroupScore& score) {
          out += csv_row(
              joined({run->folder, cell_text(run->seed)},
                     joined(block_cells(block),
                            {editor.label, editor.settings.dump(), name, number(score.score),
                             number(score.error), number(score.generated), number(score.vqa),
                             std::to_string(score.probes), std::to_string(editor.records),
                             std::to_string(editor.failed.size())})));
        };
        for (const auto& [group, score] : editor.groups) add(group_name(group), score);
        for (const auto& [name, score] : editor.preferences) add(name, score);
      }
  return out;
}

std::string table_wide_csv(const Merged& merged) {
  auto columns = joined({"source"}, joined(kBlockColumns, {"method", "runs", "records", "failed"}));
  for (auto group : groups())
    columns = joined(columns, {group_name(group), std::string(group_name(group)) + "_error"});
  const auto preferences = csv_preferences(merged);
  for (const auto& name : preferences) columns = joined(columns, {name, name + "_error"});
  auto out = csv_row(columns);
  for (const auto& block : merged.blocks) {
    for (const auto& method : block.methods) {
      auto cells = joined({"emend"}, joined(block_cells(block),
                                            {method.title, std::to_string(method.sources.size()),
                                             std::to_string(method.mean.records),
                                             std::to_string(method.mean.failed.size())}));
      const auto add = [&](const auto& scores, const auto& key) {
        const auto found = scores.find(key);
        const bool there = found != scores.end();
        cells.push_back(there ? percent(found->second.score) : "");
        cells.push_back(there && found->second.error ? percent(*found->second.error) : "");
      };
      for (auto group : groups()) add(method.mean.groups, group);
      for (const auto& name : preferences) add(method.mean.preferences, name);
      out += csv_row(cells);
    }
    for (const auto& table : published_tables(block.first().suite, block.first().mode))
      for (const auto& row : table.rows) {
        std::vector<std::string> cells = {"published: " + row.source,
                                          table.title,
                                          "",
                                          "",
                                          block.first().mode,
                                          row.model,
                                          "",
                                          row.editor,
                                          "",
                                          "",
                                          ""};
        for (auto group : groups()) {
          cells.push_back(cell(row.percent, group, ""));
          cells.push_back("");
        }
        for (const auto& name : preferences) {
          cells.push_back(cell(row.preferences, name, ""));
          cells.push_back("");
        }
        cells.resize(columns.size());
        out += csv_row(cells);
      }
  }
  return out;
}

}  // namespace emend
