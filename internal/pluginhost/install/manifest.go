package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/mod/semver"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	hostForm = regexp.MustCompile(`^(config:[A-Za-z0-9_.-]+|(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)$`)
)

// ParseManifest reads a manifest and checks what the host relies on.
func ParseManifest(raw []byte) (*sdk.Spec, error) {
	var s sdk.Spec
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&s); err != nil {
		return nil, bad("is not a JSON object of the form that the SDK writes").Wrap(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, bad("goes on after its JSON object")
	}
	return &s, CheckManifest(&s)
}

// CheckManifest reports the first thing that is wrong with a manifest.
func CheckManifest(s *sdk.Spec) error {
	switch {
	case !nameForm.MatchString(s.Name):
		return bad("has a name that is not lower case letters, digits and \"-\", at most 40")
	case s.Name == checksumsFile || s.Name == signatureFile:
		return bad("has the name of a file of the package, %q", s.Name)
	case !semver.IsValid(s.Version) || semver.Canonical(s.Version)+semver.Build(s.Version) != s.Version:
		return bad("of %s has a version that is not semantic, such as v1.4.0", s.Name)
	case s.Title == "" || len(s.Title) > 100:
		return bad("of %s has no title of 1 to 100 bytes", s.Name)
	case len(s.Kinds) == 0:
		return bad("of %s names no kind: source, destination or channel", s.Name)
	case s.Processor.Name == "":
		return bad("of %s does not say who processes the data (processor.name)", s.Name)
	}
	for _, k := range s.Kinds {
		if !slices.Contains([]sdk.Kind{sdk.Source, sdk.Destination, sdk.Channel}, k) {
			return bad("of %s has a kind %q; it is source, destination or channel", s.Name, k)
		}
	}
	for _, h := range s.Hosts {
		if !hostForm.MatchString(h) {
			return bad("of %s has a host %q; it is api.vendor.com, *.vendor.com or config:PROPERTY", s.Name, h)
		}
	}
	for _, c := range s.Categories {
		if !slices.Contains(core.Categories, core.Category(c)) {
			return bad("of %s has a category of data %q that does not exist", s.Name, c)
		}
	}
	return checkSchema(s)
}

func checkSchema(s *sdk.Spec) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.ConfigSchema))
	if err != nil {
		return bad("of %s has no JSON Schema of the configuration", s.Name).Wrap(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource("config.json", doc); err != nil {
		return bad("of %s has a wrong JSON Schema of the configuration", s.Name).Wrap(err)
	}
	if _, err := c.Compile("config.json"); err != nil {
		return bad("of %s has a wrong JSON Schema of the configuration", s.Name).Wrap(err)
	}
	return nil
}

// noLoader loads nothing: a schema refers to itself only.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema must not refer to %s", url)
}

func bad(format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, "MANIFEST", "the manifest "+format, args...)
}

// Platform is an operating system and an architecture as Go names them.
type Platform struct{ OS, Arch string }

// ParsePlatform reads "linux/amd64".
func ParsePlatform(s string) (Platform, error) {
	os, arch, ok := strings.Cut(s, "/")
	p := Platform{os, arch}
	if !ok || !platformForm.MatchString(p.folder()) {
		return p, core.Errorf(core.Invalid, "PLATFORM", "a platform is an operating system and an architecture, such as linux/amd64")
	}
	return p, nil
}

// String gives "linux/amd64".
func (p Platform) String() string { return p.OS + "/" + p.Arch }

func (p Platform) folder() string { return p.OS + "_" + p.Arch }

var platformForm = regexp.MustCompile(`^[a-z0-9]+_[a-z0-9]+$`)
