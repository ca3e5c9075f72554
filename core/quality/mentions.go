package quality

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// mentioned is what a definition names.
type mentioned struct {
	reads, writes []Field
	uses          []string
}

// mentions reads what a definition in JSON names: a condition, the drawing of a journey.
// It knows the members by which conditions and steps name fields, wherever they stand.
func mentions(raw []byte) (mentioned, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return mentioned{}, err
	}
	var m mentioned
	m.walk(tree, "")
	slices.Sort(m.uses)
	m.uses = slices.Compact(m.uses)
	return m, nil
}

// referred are the prefixes of ids that a definition may name.
var referred = []string{core.PrefixSegment, core.PrefixTemplate, core.PrefixJourney, core.PrefixCampaign, core.PrefixForm}

func (m *mentioned) walk(tree any, key string) {
	switch v := tree.(type) {
	case []any:
		for _, item := range v {
			m.walk(item, key)
		}
	case string:
		if key == "trait" && v != "" { // a wait until the time that a trait says
			m.reads = append(m.reads, Field{event.OwnerTrait, v})
		}
		if slices.Contains(referred, core.IDPrefix(v)) {
			m.uses = append(m.uses, v)
		}
	case map[string]any:
		m.object(v, key)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m.walk(v[k], k)
		}
	}
}

// object takes what an object names that stands under a key.
func (m *mentioned) object(v map[string]any, key string) {
	path, _ := v["path"].(string)
	name, _ := v["name"].(string)
	switch key {
	case "trait", "geo", "date":
		if path != "" {
			m.reads = append(m.reads, Field{event.OwnerTrait, path})
		}
	case "prediction":
		if path != "" {
			m.reads = append(m.reads, Field{"PREDICTION", path})
		}
	case "event", "firstTime", "stopped", "lastEvent", "steps", "without":
		if name != "" {
			m.event(v, name)
		}
	case "aggregate":
		if of, ok := v["event"].(map[string]any); ok && path != "" {
			if name, _ := of["name"].(string); name != "" {
				m.reads = append(m.reads, Field{name, path})
			}
		}
	case "object", "upsertObject":
		typeKey, _ := v["type"].(string)
		if typeKey == "" {
			return
		}
		if fields, ok := v["fields"].(map[string]any); ok && key == "upsertObject" {
			for _, f := range slices.Sorted(maps.Keys(fields)) {
				m.writes = append(m.writes, Field{OwnerType(typeKey), f})
			}
			return
		}
		m.paths(v["where"], OwnerType(typeKey))
	case "updateTrait":
		if path != "" {
			m.writes = append(m.writes, Field{event.OwnerTrait, path})
		}
		if set, ok := v["set"].(map[string]any); ok {
			for _, p := range slices.Sorted(maps.Keys(set)) {
				m.writes = append(m.writes, Field{event.OwnerTrait, p})
			}
		}
	}
}

// event takes an event that is asked for: its properties, or that it happens at all.
func (m *mentioned) event(v map[string]any, name string) {
	before := len(m.reads)
	m.paths(v["where"], name)
	if len(m.reads) == before {
		m.reads = append(m.reads, Field{name, ""}) // whatever it holds: that it happened is asked
	}
}

func (m *mentioned) paths(where any, owner string) {
	list, _ := where.([]any)
	for _, item := range list {
		if p, ok := item.(map[string]any); ok {
			if path, _ := p["path"].(string); path != "" {
				m.reads = append(m.reads, Field{owner, path})
			}
		}
	}
}
