// The forms in which a comparison is shown.
#pragma once

#include <string>

#include "analyzer/analysis.h"

namespace mx::analyzer {

struct TextStyle {
  bool colour = false;
  int width = 120;               // columns, for side-by-side code
  size_t most = 40;              // changed functions listed
  bool whole_functions = false;  // side by side: also what is equal in both, far from any change
};

// A summary for a person: counts, changed functions by size of change, data and types.
std::string to_text(const Analysis& a, const TextStyle& style);
// One function side by side, by its symbol or its C++
// name. Error: no function of that name in either version.
Result<std::string> function_to_text(const Analysis& a, const std::string& name,
                                     const TextStyle& style);
// Everything; the schema is docs/analyze.schema.json.
std::string to_json(const Analysis& a);
// The part of the call graph around the changes, for graphviz.
std::string to_dot(const Analysis& a);
// One self-contained page.
std::string to_html(const Analysis& a);

// Real functions (no cold parts) that are not identical, largest change first.
std::vector<const FunctionResult*> differences(const Analysis& a);

}  // namespace mx::analyzer
