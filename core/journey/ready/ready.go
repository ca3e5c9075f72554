package ready

import (
	"bytes"
	"embed"
	"encoding/json"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

//go:embed library/*.json
var files embed.FS

// Journey is a ready journey.
type Journey struct {
	Key   string `json:"key"`   // stable
	Wish  string `json:"wish"`  // of the requirements: W1
	Name  string `json:"name"`  // for people
	About string `json:"about"` // what it does
	// What must be there, and is named in the definition as "$template.key",
	// "$segment.key", "$pool.key" and "$value.key".
	Templates  []Template `json:"templates"`
	Segments   []Segment  `json:"segments"`
	Pools      []Pool     `json:"pools"`
	Values     []Value    `json:"values"`
	Definition any        `json:"definition"` // a JSON tree
}

// Template is one that a journey sends.
type Template struct {
	Key     string   `json:"key"`
	Name    string   `json:"name"`
	Family  string   `json:"family"` // nurture, onboarding, re-engagement or post-sale
	Channel string   `json:"channel"`
	Shows   []string `json:"shows"` // values that it is expected to show, beside the profile's usual ones
}

// Segment is one by which people enter.
type Segment struct {
	Key   string `json:"key"`
	Name  string `json:"name"`
	Where any    `json:"where"` // a condition, with placeholders
}

// Pool is one of coupons.
type Pool struct {
	Key   string `json:"key"`
	About string `json:"about"`
}

// Value is a text that differs from shop to shop.
type Value struct {
	Key   string `json:"key"`
	About string `json:"about"`
	Of    bool   `json:"of"`    // it says what the journey is about: a shop has one for each
	Usual string `json:"usual"` // taken when none is given; "": one must be
}

// Journeys returns the library, by key. What it returns is the caller's own.
func Journeys() ([]*Journey, error) {
	list, err := files.ReadDir("library")
	if err != nil {
		return nil, err
	}
	out := make([]*Journey, len(list))
	for i, f := range list {
		raw, err := files.ReadFile("library/" + f.Name())
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Find returns the journey with a key. NOT_FOUND, READY_JOURNEY when there is none.
func Find(key string) (*Journey, error) {
	all, err := Journeys()
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(all))
	for i, j := range all {
		if j.Key == key {
			return j, nil
		}
		keys[i] = j.Key
	}
	return nil, core.Errorf(core.NotFound, "READY_JOURNEY", "there is no ready journey with this key; there are %s", strings.Join(keys, ", "))
}

// Choices says what stands for a journey's placeholders: ids by kind and key, such as
// "template.welcome", "segment.lapsed", "pool.cart" and "value.timeZone".
type Choices map[string]string

// Define returns the journey's definition with the placeholders filled in, for
// journey.Parse. The error is INVALID, REQUIRED and names all that is missing.
func (j *Journey) Define(c Choices) (any, error) { return j.fill(j.Definition, c) }

// Condition returns what the people of one of its segments meet, with the
// placeholders filled in.
func (j *Journey) Condition(key string, c Choices) (any, error) {
	for _, s := range j.Segments {
		if s.Key == key {
			return j.fill(s.Where, c)
		}
	}
	return nil, core.Errorf(core.NotFound, "SEGMENT", "the journey %s has no segment with this key", j.Key)
}

func (j *Journey) fill(tree any, c Choices) (any, error) {
	var missing []string
	out := j.replace(tree, c, &missing)
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, core.Errorf(core.Invalid, "REQUIRED", "the journey %s needs a choice for %s", j.Key, strings.Join(slices.Compact(missing), ", "))
	}
	return out, nil
}

func (j *Journey) replace(tree any, c Choices, missing *[]string) any {
	switch v := tree.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = j.replace(v[i], c, missing)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = j.replace(v[k], c, missing)
		}
		return out
	case string:
		name, ok := strings.CutPrefix(v, "$")
		if !ok {
			return v
		}
		if chosen := c[name]; chosen != "" {
			return chosen
		}
		for _, value := range j.Values {
			if "value."+value.Key == name && value.Usual != "" {
				return value.Usual
			}
		}
		*missing = append(*missing, name)
	}
	return tree
}

// Needs lists what Choices must hold beside what is usual, sorted.
func (j *Journey) Needs() []string {
	var out []string
	for _, t := range j.Templates {
		out = append(out, "template."+t.Key)
	}
	for _, s := range j.Segments {
		out = append(out, "segment."+s.Key)
	}
	for _, p := range j.Pools {
		out = append(out, "pool."+p.Key)
	}
	for _, v := range j.Values {
		if v.Usual == "" {
			out = append(out, "value."+v.Key)
		}
	}
	slices.Sort(out)
	return out
}
