package condition

import "github.com/headwater-cdp/headwater/core"

// Version is the version of the JSON form that MarshalJSON writes.
const Version = 1

// upgradeStep takes a condition's decoded JSON from one version to the next.
type upgradeStep func(tree any) (any, error)

// upgrades holds the step from version i+1 to i+2 at i. Conditions are stored with
// the version that wrote them; a change of the form that old text does not survive
// raises Version and adds a step here.
var upgrades []upgradeStep

// Upgrade takes JSON text that Headwater wrote as a version to the present form.
// A version that does not exist yet is an error of reason NEWER_VERSION.
func Upgrade(version int, raw []byte) ([]byte, error) { return upgrade(upgrades, version, raw) }

func upgrade(steps []upgradeStep, version int, raw []byte) ([]byte, error) {
	current := len(steps) + 1
	switch {
	case version > current:
		return nil, core.Errorf(core.Invalid, ReasonNewer, "this condition has version %d, but this Headwater knows versions up to %d: a newer Headwater wrote it; upgrade this one", version, current)
	case version < 1:
		return nil, core.Errorf(core.Invalid, ReasonNewer, "versions of conditions begin with 1")
	case version == current:
		return raw, nil
	}
	tree, err := decode(raw)
	if err != nil {
		return nil, err
	}
	for _, s := range steps[version-1:] {
		if tree, err = s(tree); err != nil {
			return nil, err
		}
	}
	w := &writer{}
	w.json(tree)
	return w.result()
}
