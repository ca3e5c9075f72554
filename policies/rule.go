package policies

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

//go:embed model.conf
var modelText string

//go:embed default.csv
var defaultText []byte

// Any is the purpose of a rule that holds for every purpose.
const Any = "*"

// Groups of categories that a rule may name as its target.
const (
	All      = "ALL"      // every category
	Ordinary = "ORDINARY" // every category but FREE_TEXT, SPECIAL and UNCLASSIFIED
)

// Rule gives a role an effect.
type Rule struct {
	Role    string        `bson:"role"`
	Purpose string        `bson:"purpose"` // key of a purpose, for its children too; Any
	Target  string        `bson:"target"`  // a category, a group of them, or a permission of core/access
	Effect  core.Effect   `bson:"effect"`
	Form    core.MaskForm `bson:"form,omitempty"` // of MASK
}

// String tells the rule: "support MASK PARTIAL CONTACT for support".
func (r Rule) String() string {
	effect := string(r.Effect)
	if r.Form != "" {
		effect += " " + string(r.Form)
	}
	purpose := r.Purpose
	if purpose == Any {
		purpose = "every purpose"
	}
	return fmt.Sprintf("%s %s %s for %s", r.Role, effect, r.Target, purpose)
}

// Role is a role of a workspace's own.
type Role struct {
	Name        string   `bson:"name"`
	Description string   `bson:"description,omitempty"`
	Inherits    []string `bson:"inherits,omitempty"` // it has all that these have
}

// Rules are all that a workspace says of who may do what.
type Rules struct {
	Rules []Rule `bson:"rules"`
	Roles []Role `bson:"roles,omitempty"`
}

// dataTargets are what a rule on data may name.
var dataTargets = func() []string {
	out := []string{All, Ordinary}
	for _, c := range core.Categories[1:] { // NONE needs no rule
		out = append(out, string(c))
	}
	return out
}()

func isPermission(target string) bool {
	return slices.Contains(access.Permissions, access.Permission(target))
}

// covers reports whether a rule's target holds for what is asked about: a category
// or a permission.
func covers(target, asked string) bool {
	switch {
	case target == asked:
		return true
	case isPermission(asked):
		return false
	case target == Ordinary:
		return !slices.Contains([]string{string(core.FreeText), string(core.Special), string(core.Unclassified)}, asked)
	}
	return target == All
}

// Default returns the rules of a workspace that has none of its own.
func Default() Rules {
	return Rules{Rules: slices.Clone(defaultRules)}
}

// defaultRules and categoryGroups are read from default.csv.
var defaultRules, categoryGroups = readDefault()

func readDefault() (rules []Rule, groups [][]string) {
	r := csv.NewReader(bytes.NewReader(defaultText))
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		panic(fmt.Sprintf("policies: default.csv: %v", err))
	}
	for _, row := range rows {
		if row[0] == "g2" {
			groups = append(groups, row[1:])
			continue
		}
		rules = append(rules, ruleOf(row[1:]))
	}
	slices.SortFunc(rules, compareRules)
	return rules, groups
}

// What is done with data, as Casbin's rows say it.
const (
	actRead      = "read"
	actPartial   = "mask-partial"
	actPseudonym = "mask-pseudonym"
	objWorkspace = "workspace" // what permissions are about
)

// row writes a rule as Casbin has it: role, workspace, object, action, purpose, effect.
func (r Rule) row(dom string) []string {
	row := []string{r.Role, dom, r.Target, actRead, r.Purpose, "allow"}
	if isPermission(r.Target) {
		row[2], row[3] = objWorkspace, r.Target
	}
	switch {
	case r.Effect == core.Deny && row[2] == objWorkspace:
		row[5] = "deny"
	case r.Effect == core.Deny:
		row[3], row[5] = "*", "deny"
	case r.Form == core.Partial:
		row[3] = actPartial
	case r.Form == core.Pseudonym:
		row[3] = actPseudonym
	}
	return row
}

// ruleOf reads a row again.
func ruleOf(row []string) Rule {
	r := Rule{Role: row[0], Target: row[2], Purpose: row[4], Effect: core.Allow}
	switch {
	case row[2] == objWorkspace:
		r.Target = row[3]
	case row[3] == actPartial:
		r.Effect, r.Form = core.Mask, core.Partial
	case row[3] == actPseudonym:
		r.Effect, r.Form = core.Mask, core.Pseudonym
	}
	if row[5] == "deny" {
		r.Effect, r.Form = core.Deny, ""
	}
	return r
}
