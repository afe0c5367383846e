package dynamodb

import "github.com/crossfadedb/crossfade/internal/expression"

type ttlSpecification struct {
	AttributeName string
	Enabled       bool
}

type updateTTL struct {
	TableName               string
	TimeToLiveSpecification ttlSpecification
}

type (
	updatedTTL   struct{ TimeToLiveSpecification ttlSpecification }
	describedTTL struct{ TimeToLiveDescription ttlDescription }

	ttlDescription struct {
		TimeToLiveStatus string
		AttributeName    string `json:",omitzero"`
	}
)

func (r *updateTTL) target() (string, expression.Item) { return r.TableName, nil }

func (c *call) updateTimeToLive(in *updateTTL) (updatedTTL, error) {
	t, err := c.server.anyTable(in.TableName)
	if err != nil {
		return updatedTTL{}, missingTable(err, in.TableName)
	}
	spec := in.TimeToLiveSpecification
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case spec.Enabled && t.ttl != "":
		return updatedTTL{}, validation("TimeToLive is already enabled")
	case !spec.Enabled && t.ttl == "":
		return updatedTTL{}, validation("TimeToLive is already disabled")
	case spec.Enabled:
		t.ttl = spec.AttributeName
	default:
		t.ttl = ""
	}
	return updatedTTL{spec}, nil
}

func (c *call) describeTimeToLive(in *tableRequest) (describedTTL, error) {
	t, err := c.server.anyTable(in.TableName)
	if err != nil {
		return describedTTL{}, missingTable(err, in.TableName)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.ttl == "" {
		return describedTTL{ttlDescription{TimeToLiveStatus: "DISABLED"}}, nil
	}
	return describedTTL{ttlDescription{"ENABLED", t.ttl}}, nil
}
