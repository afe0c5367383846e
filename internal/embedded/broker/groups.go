package broker

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Groups watches over consumer groups, where kfake forgets what Kafka does not. Kafka gives a member up that is silent
// for its session timeout from the moment when a join is complete, and ends a join after the rebalance timeout,
// whoever else comes meanwhile. kfake begins to count with the member's own SyncGroup, so one whose connection is lost
// between the two keeps its partitions for ever; and every member that comes makes the join longer, so a few whose own
// requests time out in turns keep a group from ever being ready. Here a silent member leaves, and all leave a join
// that does not end; those that are alive join again.
type Groups struct {
	cluster *kfake.Cluster
	client  *kafkago.Client
	said    func(member, group string)
	stop    chan struct{}
	ended   chan struct{}

	mu    sync.Mutex
	heard map[string]time.Time // by member
	known map[string]time.Time // by group: since when it is not stable; zero when it is
}

const (
	// silence is how long a member may say nothing: longer than a session timeout, and than a client waits for a join.
	silence = 20 * time.Second
	// joinLimit is how long a join may take: longer than a rebalance timeout and the session timeout before it.
	joinLimit = 40 * time.Second
	// lookEvery is how often the groups are looked at.
	lookEvery = 3 * time.Second
)

// WatchGroups watches the groups of a cluster until Close. said, if not nil, hears of each member that is made to leave.
func WatchGroups(cluster *kfake.Cluster, dial func(context.Context, string, string) (net.Conn, error), said func(member, group string)) *Groups {
	g := &Groups{
		cluster: cluster, said: said, stop: make(chan struct{}), ended: make(chan struct{}),
		client: &kafkago.Client{
			Addr: kafkago.TCP(cluster.ListenAddrs()...), Timeout: 5 * time.Second, Transport: &kafkago.Transport{Dial: dial},
		},
		heard: map[string]time.Time{}, known: map[string]time.Time{},
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat}, Count: -1, Observe: true, When: g.hear})
	go g.run()
	return g
}

// Close ends the watch.
func (g *Groups) Close() {
	close(g.stop)
	<-g.ended
}

// hear notes who speaks; it lets every request pass.
func (g *Groups) hear(r kmsg.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r := r.(type) {
	case *kmsg.JoinGroupRequest:
		if _, ok := g.known[r.Group]; !ok {
			g.known[r.Group] = time.Time{}
		}
		g.heard[r.MemberID] = time.Now()
	case *kmsg.SyncGroupRequest:
		g.heard[r.MemberID] = time.Now()
	case *kmsg.HeartbeatRequest:
		g.heard[r.MemberID] = time.Now()
	}
	return false
}

func (g *Groups) run() {
	defer close(g.ended)
	defer g.client.Transport.(*kafkago.Transport).CloseIdleConnections()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
		}
		infos, present := map[string]*kfake.GroupInfo{}, map[string]bool{}
		for _, name := range g.names() {
			info := g.cluster.GroupInfo(name)
			if info == nil {
				continue
			}
			infos[name] = info
			for _, m := range info.Members {
				present[m.MemberID] = true
			}
		}
		for name, members := range g.overdue(infos, present) {
			g.leave(name, members)
		}
	}
}

func (g *Groups) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for name := range g.known {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// overdue are the members that have to leave, by group. It forgets the members that are not there any more.
func (g *Groups) overdue(infos map[string]*kfake.GroupInfo, present map[string]bool) map[string][]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, all := time.Now(), map[string][]string{}
	for member, at := range g.heard {
		if !present[member] && now.Sub(at) > silence {
			delete(g.heard, member)
		}
	}
	for name, info := range infos {
		switch since := g.known[name]; {
		case info.State == "Stable" || info.State == "Empty":
			g.known[name] = time.Time{}
		case since.IsZero():
			g.known[name] = now
		}
		endless := !g.known[name].IsZero() && now.Sub(g.known[name]) > joinLimit
		for _, m := range info.Members {
			if _, ok := g.heard[m.MemberID]; !ok {
				g.heard[m.MemberID] = now // its first join carried no name
			}
			if endless || now.Sub(g.heard[m.MemberID]) > silence {
				all[name] = append(all[name], m.MemberID)
			}
		}
		if endless {
			g.known[name] = time.Time{}
		}
	}
	return all
}

// leave makes members leave; those for whom it fails are overdue the next time too.
func (g *Groups) leave(group string, members []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request := &kafkago.LeaveGroupRequest{GroupID: group}
	for _, member := range members {
		request.Members = append(request.Members, kafkago.LeaveGroupRequestMember{ID: member})
		if g.said != nil {
			g.said(member, group)
		}
	}
	_, _ = g.client.LeaveGroup(ctx, request) // or the next time
}
