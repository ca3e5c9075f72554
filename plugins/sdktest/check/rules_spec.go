package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

var specRules = []Rule{
	{
		Name:   "spec/words",
		Must:   "the spec names the connector, its version, its kinds, who gets the data and which",
		Remedy: "fill the fields of sdk.Spec as its comments say",
		Run:    specWords,
	},
	{
		Name:   "spec/constant",
		Must:   "the spec is the same each time it is asked for",
		Remedy: "build the spec of constants: it is packed beside the binary and read without running it",
		Run: func(x *Exam) {
			if a, b := x.ask(x.start()), x.ask(x.start()); !reflect.DeepEqual(a, b) {
				x.Errorf("two starts gave two specs")
			}
		},
	},
	{
		Name:   "spec/schema",
		Must:   "the schema of the configuration compiles, describes an object, and has a title for each property",
		Remedy: "mend Spec.ConfigSchema: a form is made of it",
		Run:    specSchema,
	},
	{
		Name:   "spec/secrets",
		Must:   "every secret of the configuration is marked with \"writeOnly\": true",
		Remedy: "mark it in Spec.ConfigSchema, or give a property that is no secret another name",
		Run:    specSecrets,
	},
	{
		Name:   "spec/hosts",
		Must:   "the hosts that the connector talks to are named as hosts, *.domains or config:PROPERTY",
		Remedy: "write \"api.vendor.com\", without scheme, port and path",
		Run:    specHosts,
	},
	{
		Name:   "spec/kinds",
		Must:   "the capabilities suit the kinds",
		Remedy: "a source pulls or receives, a destination takes something, a channel sends and names its channels",
		Run:    specKinds,
	},
}

var (
	nameForm     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	versionForm  = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	categoryForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	hostForm     = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	secretName   = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|private_?key|credential)`)
	publicName   = regexp.MustCompile(`(?i)(url|endpoint|uri|lifetime|ttl|id|path|header)$`)
)

func specWords(x *Exam) {
	s := x.spec()
	if !nameForm.MatchString(s.Name) {
		x.Errorf("Name %q: lower case letters, digits and \"-\", beginning with a letter", s.Name)
	}
	if !versionForm.MatchString(s.Version) {
		x.Errorf("Version %q: semantic, with \"v\": v1.4.0", s.Version)
	}
	if s.Title == "" {
		x.Errorf("Title is empty")
	}
	if len(s.Kinds) == 0 {
		x.Errorf("Kinds is empty")
	}
	for _, k := range s.Kinds {
		if !slices.Contains([]sdk.Kind{sdk.Source, sdk.Destination, sdk.Channel}, k) {
			x.Errorf("Kinds: %q is not known", k)
		}
	}
	if len(s.Categories) == 0 {
		x.Errorf("Categories is empty: which data passes through it?")
	}
	for _, c := range s.Categories {
		if !categoryForm.MatchString(c) {
			x.Errorf("Categories: %q is not a word in capitals", c)
		}
	}
	if s.Processor.Name == "" {
		x.Errorf("Processor.Name is empty: which company gets the data?")
	}
	if u := s.Processor.URL; u != "" {
		if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "https" {
			x.Errorf("Processor.URL %q is no https URL", u)
		}
	}
	if s.Limits.BatchItems < 0 || s.Limits.BatchBytes < 0 || s.Limits.Concurrency < 0 || s.Limits.MemoryMiB < 0 {
		x.Errorf("Limits: below 0")
	}
	if s.Limits.BatchBytes > sdk.MaxMessage {
		x.Errorf("Limits.BatchBytes is more than a message takes (%d)", sdk.MaxMessage)
	}
}

// compile compiles a schema; loading others is not possible.
func compile(schema json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("schema.json")
}

func specSchema(x *Exam) {
	s := x.spec()
	if _, err := compile(s.ConfigSchema); err != nil {
		x.Failf("it does not compile: %v", err)
	}
	var root map[string]any
	if err := json.Unmarshal(s.ConfigSchema, &root); err != nil || root["type"] != "object" {
		x.Failf("its type is not \"object\"")
	}
	each(root, func(path string, p map[string]any) {
		if title, _ := p["title"].(string); title == "" {
			x.Errorf("property %s has no title", path)
		}
	})
}

// each calls f for each property of a schema, with its path.
func each(node map[string]any, f func(path string, property map[string]any)) {
	var walk func(prefix string, node map[string]any)
	walk = func(prefix string, node map[string]any) {
		properties, _ := node["properties"].(map[string]any)
		for name, p := range properties {
			if property, ok := p.(map[string]any); ok {
				f(prefix+name, property)
				walk(prefix+name+".", property)
			}
		}
	}
	walk("", node)
}

func specSecrets(x *Exam) {
	s := x.spec()
	var root map[string]any
	if err := json.Unmarshal(s.ConfigSchema, &root); err != nil {
		x.Failf("the schema is not a JSON object")
	}
	marked := map[string]bool{}
	for _, path := range sdk.SecretPaths(s.ConfigSchema) {
		marked[strings.Join(path, ".")] = true
	}
	each(root, func(path string, p map[string]any) {
		name := path[strings.LastIndex(path, ".")+1:]
		under := slices.ContainsFunc(prefixes(path), func(s string) bool { return marked[s] })
		if secretName.MatchString(name) && !publicName.MatchString(name) && !under && p["type"] != "boolean" {
			x.Errorf("property %s sounds like a secret and is not marked", path)
		}
		if marked[path] {
			if _, ok := p["default"]; ok {
				x.Errorf("secret %s has a default", path)
			}
			if _, ok := p["examples"]; ok {
				x.Errorf("secret %s has examples", path)
			}
		}
	})
	if s.OAuth && len(marked) == 0 {
		x.Errorf("OAuth is set, and there is no secret to keep the tokens in")
	}
}

// prefixes of "a.b.c" are "a", "a.b" and "a.b.c".
func prefixes(path string) []string {
	var out []string
	for i, r := range path {
		if r == '.' {
			out = append(out, path[:i])
		}
	}
	return append(out, path)
}

func specHosts(x *Exam) {
	s := x.spec()
	if len(s.Hosts) == 0 {
		x.Errorf("Hosts is empty: where does it connect to?")
	}
	var root map[string]any
	if err := json.Unmarshal(s.ConfigSchema, &root); err != nil {
		x.Failf("the schema is not a JSON object")
	}
	known := map[string]bool{}
	each(root, func(path string, _ map[string]any) { known[path] = true })
	for _, h := range s.Hosts {
		if property, ok := strings.CutPrefix(h, "config:"); ok {
			if !known[property] {
				x.Errorf("Hosts: %q names no property of the configuration", h)
			}
		} else if !hostForm.MatchString(h) {
			x.Errorf("Hosts: %q is no host", h)
		}
	}
}

func specKinds(x *Exam) {
	s := x.spec()
	some := func(of ...sdk.Capability) bool {
		return slices.ContainsFunc(of, func(c sdk.Capability) bool { return claims(s, c) })
	}
	for _, k := range s.Kinds {
		switch k {
		case sdk.Source:
			if !some(sdk.CanPull, sdk.CanReceive) {
				x.Errorf("a source that neither pulls nor receives")
			}
		case sdk.Destination:
			if !some(sdk.CanUpsert, sdk.CanDelete, sdk.CanLists, sdk.CanForward, sdk.CanConsents, sdk.CanErase) {
				x.Errorf("a destination that takes nothing")
			}
		case sdk.Channel:
			if !some(sdk.CanSend) {
				x.Errorf("a channel that does not send")
			}
			if len(s.Channels) == 0 {
				x.Errorf("a channel without Channels")
			}
		}
	}
	if slices.Contains(s.Kinds, sdk.Destination) && some(sdk.CanUpsert, sdk.CanLists, sdk.CanForward) && !some(sdk.CanErase) {
		x.Errorf("personal data goes in and nobody can be erased: implement Eraser and claim %q", sdk.CanErase)
	}
	if some(sdk.CanReceive) != s.Webhooks {
		x.Errorf("Webhooks and the capability %q do not agree", sdk.CanReceive)
	}
}
