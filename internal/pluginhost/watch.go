package pluginhost

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/headwater-cdp/headwater/core/sync"
)

// watch ends the process when it is not there any more, though it may not have ended: a
// stopped process neither ends nor answers.
func (p *process) watch() {
	health := grpc_health_v1.NewHealthClient(p.wire)
	tick := time.NewTicker(p.h.limits.Ping)
	defer tick.Stop()
	for {
		select {
		case <-p.dead:
			return
		case <-p.child.exited:
			p.end(p.exitFault())
			return
		case <-tick.C:
		}
		if !p.ping(health) {
			p.end(crashed(reasonSilent, fmt.Sprintf("the connector's process answered nothing for %s, not even that it is there; it was ended", p.h.limits.Silence)))
			return
		}
	}
}

// ping reports whether the process answers anything at all, or ends meanwhile.
func (p *process) ping(health grpc_health_v1.HealthClient) bool {
	ctx, cancel := context.WithTimeout(context.Background(), p.h.limits.Silence)
	defer cancel()
	done := make(chan bool, 1)
	go func() {
		_, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
		code := status.Code(err)
		done <- code != codes.DeadlineExceeded && code != codes.Canceled
	}()
	select {
	case ok := <-done:
		return ok
	case <-p.child.exited:
	case <-p.dead:
	}
	return true // the caller sees what happened
}

// watchMemory ends whatever has more memory than it may, until ctx ends. Processes that
// still start are watched too.
func (h *Host) watchMemory(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n%familyEvery == 0 {
			h.watchFamilies()
		}
		for _, p := range h.running() {
			p.mu.Lock()
			c := p.child
			p.mu.Unlock()
			if c == nil || !p.alive() {
				continue
			}
			if pid := c.pid(); pid > 0 && resident(pid) > p.memory {
				p.end(tooMuchMemory(p.memory))
			}
		}
	}
}

func tooMuchMemory(bytes int64) *sync.Fault {
	return crashed(reasonMemory, fmt.Sprintf("the connector took more memory than the %d MiB that it may have; limits.memoryMiB of its manifest can ask for more", bytes>>20))
}

// memoryInterval is how often memory is looked at, and familyEvery how many times of that go by
// until what a connector started is looked at too.
const (
	memoryInterval = 50 * time.Millisecond
	familyEvery    = 20
)
