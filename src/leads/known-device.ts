/** SQL: the device that lead `l` is to hear from: the preferred one, else the last used, where it still exists. What an enrolment has come to knows the last
 *  used device; the lead's own column knows it once the enrolment has ended. */
export const KNOWN_DEVICE = `(
  SELECT d.id FROM devices d
   WHERE d.id = coalesce(l.preferred_device_id,
                         (SELECT (SELECT CASE f.status WHEN 'SENT' THEN f.device_id ELSE f.bound_device_id END FROM flows f WHERE f.id = e.current_flow_id)
                            FROM enrollments e WHERE e.lead_id = l.id ORDER BY e.lead_id DESC, e.id DESC LIMIT 1),
                         l.last_device_id))`;
