package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Attachment is a connector that runs under somebody's debugger. Nothing of it is checked:
// only a server that was started for development uses it.
type Attachment struct {
	sdk.Attachment
	Spec *sdk.Spec `json:"spec"`
}

func (s *Store) attachment(name string) string { return filepath.Join(s.dir, ".dev", name+".json") }

// Attach keeps where a connector is to be found until Detach.
func (s *Store) Attach(a Attachment) error {
	if err := CheckManifest(a.Spec); err != nil {
		return err
	}
	path := s.attachment(a.Spec.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("attach the connector: %w", err)
	}
	raw, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("attach the connector: %w", err)
	}
	return replace(path, raw)
}

// Detach undoes Attach.
func (s *Store) Detach(name string) error {
	if !nameForm.MatchString(name) {
		return notInstalled(name)
	}
	err := os.Remove(s.attachment(name))
	if errors.Is(err, fs.ErrNotExist) {
		return core.Errorf(core.NotFound, "NOT_ATTACHED", "connector %q is not attached to a process", name)
	}
	return err
}

// Attachments returns them by name. A file that is none is passed over.
func (s *Store) Attachments() map[string]Attachment {
	files, _ := filepath.Glob(filepath.Join(s.dir, ".dev", "*.json"))
	out := map[string]Attachment{}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		var a Attachment
		if err != nil || json.Unmarshal(raw, &a) != nil || a.Spec == nil || CheckManifest(a.Spec) != nil {
			continue
		}
		if a.Spec.Name == strings.TrimSuffix(filepath.Base(path), ".json") {
			out[a.Spec.Name] = a
		}
	}
	return out
}

// Stamp changes when what is installed or attached has changed; it costs little.
func (s *Store) Stamp() string {
	stamp := ""
	for _, path := range []string{filepath.Join(s.dir, lockFile), filepath.Join(s.dir, ".dev")} {
		if info, err := os.Stat(path); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		} else {
			stamp += "-;"
		}
	}
	return stamp
}
