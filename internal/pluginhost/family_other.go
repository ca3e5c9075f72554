//go:build !linux

package pluginhost

// Elsewhere a connector's group is all that is known of what it started.

func (c *child) endFamily() {}

func (c *child) seeFamily() {}

func (h *Host) watchFamilies() {}

func endOrphans() {}
