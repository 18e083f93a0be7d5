package native

import (
	"context"
	"net/netip"
	"time"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// wireKey returns a key as it is answered.
func (ks *keyspaces) wireKey(ctx context.Context, k *keys.Key, now time.Time) (latchkey.Key, error) {
	slug, err := ks.slug(ctx, k)
	if err != nil {
		return latchkey.Key{}, err
	}
	out := latchkey.Key{
		ID: k.ID, Keyspace: slug, Name: textOrNull(k.Name), Status: string(k.Status(now)),
		Environment: textOrNull(k.Environment), Enabled: k.Enabled, Identity: wireOwner(k.Owner), Meta: raw(k.Meta),
		Permissions: k.Permissions, Roles: k.Roles, AllowedIPs: wireAddresses(k.AllowedIPs), ExpiresAt: wireTime(k.ExpiresAt),
		Limits: wireLimits(k.Limits), Credits: wireCredits(k.Credits), Budget: wireBudget(k.Money, now), Secrets: wireSecrets(k.Secrets), LastUsedAt: wireTime(k.LastUsedAt),
		CreatedAt: latchkey.Time{Time: k.CreatedAt}, UpdatedAt: latchkey.Time{Time: k.UpdatedAt},
	}
	if s := k.Newest(); s != nil {
		out.Hint = hint(s)
	}
	return out, nil
}

func hint(s *keys.Secret) *string {
	if s.Start == "" && s.End == "" {
		return nil
	}
	return textOrNull(s.Hint())
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func wireTime(t time.Time) *latchkey.Time {
	if t.IsZero() {
		return nil
	}
	return &latchkey.Time{Time: t}
}

func wireOwner(o keys.Owner) *latchkey.IdentityRef {
	if o.IsZero() {
		return nil
	}
	return &latchkey.IdentityRef{ID: o.ID, ExternalID: textOrNull(o.ExternalID)}
}

func wireAddresses(ps []netip.Prefix) []string {
	out := []string{}
	for _, p := range ps {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, p.String())
		}
	}
	return out
}

func wireLimits(limits []ratelimit.Limit) []latchkey.Limit {
	out := []latchkey.Limit{}
	for _, l := range limits {
		if l.Concurrent {
			out = append(out, latchkey.Limit{Name: l.Name, Concurrent: &l.Max})
			continue
		}
		out = append(out, latchkey.Limit{
			Name: l.Name, Max: l.Max, Window: l.Window.String(), Algorithm: string(l.Algorithm), AutoApply: &l.Auto,
		})
	}
	return out
}

func wireCredits(c *keys.Credits) *latchkey.Credits {
	if c == nil {
		return nil
	}
	out := &latchkey.Credits{Remaining: c.Remaining, RefillsAt: wireTime(c.RefillsAt())}
	if r := c.Refill; r != nil {
		out.Refill = &latchkey.Refill{Amount: r.Amount, Every: string(r.Every), Mode: string(r.Mode)}
		if r.Every == keys.EverySpan {
			out.Refill.Every = r.Span.String()
		}
		if r.Every == keys.Monthly {
			day := int64(r.Day)
			out.Refill.Day = &day
		}
	}
	return out
}
