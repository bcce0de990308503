/** SQL: the device that lead `l` is to hear from: the preferred one, else the last used, where it still exists. What an enrolment has come to knows the last
 *  used device; the lead's own column knows it once the enrolment has ended. */
export const KNOWN_DEVICE = `(
  SELECT d.id FROM devices d
   WHERE d.id = coalesce(l.preferred_device_id,
                         (SELECT CASE f.status WHEN 'SENT' THEN f.device_id ELSE f.bound_device_id END
                            FROM enrollments e JOIN flows f ON f.id = e.current_flow_id WHERE e.lead_id = l.id ORDER BY e.id DESC LIMIT 1),
                         l.last_device_id))`;
