package template

import "strings"

// Predicted returns the roots that templates read what is predicted of a person from, of
// values by name ("lead.score"): predictions, and lead, which is that of the lead model.
func Predicted(values map[string]any) map[string]any {
	all := map[string]any{}
	for name, v := range values {
		at, path := all, strings.Split(name, ".")
		for _, key := range path[:len(path)-1] {
			next, ok := at[key].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[key] = next
			}
			at = next
		}
		at[path[len(path)-1]] = v
	}
	roots := map[string]any{"predictions": all}
	if of, ok := all["lead"].(map[string]any); ok {
		roots["lead"] = of
	}
	return roots
}
